"""What a run's figures say in words, on its page and in the terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from artclf.data.distortions import ALIKE, ALIKE_QUALITY, DISTORTIONS, NOTHING, Distortion
from artclf.errors import ArtclfError
from artclf.evaluation.intervals import wilson
from artclf.evaluation.robustness import Altered, Robustness, from_json
from artclf.report import format as fmt
from artclf.run_folder import read_json

_FEW = 2000  # test pictures; above, the uncertainty of an accuracy is under about ±2 points
_NAMED = {distortion.name: distortion for distortion in DISTORTIONS}


def three_sentences(metrics: Mapping[str, Any], free: float | None = None) -> list[str]:
    """Put a run into three sentences; what was not recorded is left out of them.

    Args:
        metrics: metrics.json.
        free: the AUROC that the audit says the data gives away without a look at the art; None where that is chance.
    """
    evaluation = metrics.get("evaluation") or {}
    unknown = bool(evaluation) and evaluation.get("left_out") is None
    return [_trained(metrics), _measured(metrics.get("test") or {}, unknown=unknown), _doubts(metrics, free)]


def guessing(metrics: Mapping[str, Any]) -> str | None:
    """Say that a network tells nothing apart on its test pictures; None where it does, or that was not measured.

    Args:
        metrics: metrics.json, or what it will hold.
    """
    test = (metrics.get("splits") or {}).get("test") or {}
    bounds = (test.get("intervals") or {}).get("balanced_accuracy")
    if bounds is None or bounds[0] > 0.5:
        return None
    return (
        f"No better than guessing: the balanced accuracy on the {fmt.plural(test['n'], 'test picture')} is "
        f"{fmt.share(test['balanced_accuracy'])} (95% interval {fmt.share_range(bounds)}), and guessing gives 50%"
    )


def errors_in_words(split: Mapping[str, Any]) -> str:
    """Say how many human works a split's verdicts accuse and how many AI works they miss; "" without a confusion."""
    confusion = split.get("confusion") or {}
    human, ai = confusion.get("human") or {}, confusion.get("ai") or {}
    parts = []
    if sum(human.values()):
        accused, total = human.get("ai", 0), sum(human.values())
        parts.append(
            f"of {fmt.plural(total, 'human work')} {fmt.count(accused)} {_is(accused)} wrongly called AI "
            f"({fmt.share(accused / total)}: false accusations)"
        )
    if sum(ai.values()):
        missed, total = ai.get("human", 0), sum(ai.values())
        parts.append(
            f"of {fmt.plural(total, 'AI work')} {fmt.count(missed)} {_is(missed)} missed ({fmt.share(missed / total)})"
        )
    return ", and ".join(parts)


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _trained(metrics: Mapping[str, Any]) -> str:
    model, data, evaluation = (metrics.get(key) or {} for key in ("model", "data", "evaluation"))
    network = f"The network {model['name']}" if model.get("name") else "The network"
    weights = model.get("weights")
    start = {"imagenet": "ImageNet weights", "random": "random weights"}.get(str(weights), f"the weights {weights}")
    sentence = f"{network}, which started from {start}, was trained" if weights else f"{network} was trained"
    if evaluation:
        sentence += " before"
    train = _trained_on(metrics)
    ai, human = (sum(train.get(label, {}).values()) for label in ("ai", "human"))
    if train:
        sentence += f" on {fmt.plural(ai, 'AI picture')} and {fmt.plural(human, 'human picture')}"
    if data.get("source") and (evaluation.get("own_data") or not evaluation):
        sentence += f" of {data['source']}"
    stages = [f"{stage['name']} ({fmt.unfrozen(stage)})" for stage in metrics.get("stages") or []]
    if stages:
        sentence += f" in {fmt.plural(len(stages), 'stage')}: {', then '.join(stages)}"
    if evaluation and not evaluation.get("own_data"):
        sentence += f"; here it judges pictures of {evaluation.get('data')}"
    return f"{sentence}."


def _trained_on(metrics: Mapping[str, Any]) -> Mapping[str, Mapping[str, int]]:
    """How many pictures the network was trained on, by label and generator."""
    evaluation, counts = metrics.get("evaluation"), (metrics.get("data") or {}).get("counts") or {}
    return (evaluation.get("trained_on") if evaluation else counts.get("train")) or {}


def _measured(test: Mapping[str, Any], *, unknown: bool) -> str:
    accuracy, number = test.get("accuracy"), test.get("n")
    if accuracy is None or fmt.missing(accuracy):
        return "How good it is on test pictures was not recorded."
    on = fmt.plural(number, "test picture") if number else "test pictures"
    unseen = "" if unknown else " that training did not show"
    good = f"On {on}{unseen}, {fmt.share(accuracy)} of its verdicts are right"
    if number:
        bounds = wilson(round(accuracy * number), number).bounds
        good += f" (95% interval {fmt.share_range(bounds)})"
    mistakes = errors_in_words(test)
    return f"{good}: {mistakes}." if mistakes else f"{good}."


def _doubts(metrics: Mapping[str, Any], free: float | None) -> str:
    data, test = metrics.get("data") or {}, metrics.get("test") or {}
    doubts = []
    if data.get("source") == "demo":
        doubts.append("its pictures were drawn by a program, so these figures tell nothing about art")
    trained_on = sorted(_trained_on(metrics).get("ai") or {})
    if trained_on:
        known = len(trained_on) <= 4 and "ai" not in trained_on  # "ai": the data does not tell which generator it was
        named = fmt.listed(trained_on) if known else "the generators of its training data"
        doubts.append(f"it has learned from {named} alone, and works of other generators may pass for human")
    if free is not None:
        reached = test.get("auroc")
        its = f", its own being {fmt.score(reached)}" if reached is not None else ""
        doubts.append(
            f"how the pictures are stored, or their brightness and colours alone, tell makers apart with an AUROC of {free:.2f}"
            f"{its}, so part of what it has learned may be that"
        )
    for name in other_splits(metrics):
        mistakes = errors_in_words(metrics[name])
        if mistakes:
            doubts.append(f"on {name}, {mistakes}")
    if 0 < (test.get("n") or 0) < _FEW:
        doubts.append(f"{fmt.count(test['n'])} test pictures are few")
    return f"Do not take a single verdict as proof of who made a picture{': ' if doubts else ''}{'; '.join(doubts)}."


def other_splits(metrics: Mapping[str, Any]) -> list[str]:
    """Names of the splits that were evaluated besides test and val."""
    return [
        name
        for name, value in metrics.items()
        if isinstance(value, Mapping) and "confusion" in value and name not in ("test", "val")
    ]


def read_robustness(folder: Path) -> Robustness | None:
    """Read robustness.json; None where there is none.

    Raises:
        ArtclfError: where it is something else.
    """
    content = read_json(folder / "robustness.json", "evaluate again")
    try:
        return None if content is None else from_json(content)
    except (LookupError, TypeError) as error:
        raise ArtclfError(
            f"{folder / 'robustness.json'}: is not what an evaluation writes ({error}); evaluate again"
        ) from error


def name_of(altered: Altered) -> str:
    """What was done to the pictures, as people say it: "JPEG 30", "scaling down 0.5"."""
    if altered.distortion not in _NAMED:
        return f"JPEG {ALIKE_QUALITY}" if altered.first == ALIKE else "as it is"
    distortion = _NAMED[altered.distortion]
    return f"{distortion.title} {_level(altered, distortion)}"


def _level(altered: Altered, distortion: Distortion) -> str:
    assert altered.level is not None
    return distortion.named(altered.level)


def robustness_in_words(found: Robustness) -> list[str]:
    """Say what breaks the verdicts most, whom it accuses, whether that is bias or fragility, and what making alike changes."""
    levels = [level for level in found.levels if level.first == NOTHING and level.distortion != NOTHING]
    told = [_breaks(found, levels), _newly_accused(found, levels), *_kinds(levels)]
    told += [_alike(found, alike) for alike in found.of(NOTHING, ALIKE)]
    return [sentence for sentence in told if sentence]


def _breaks(found: Robustness, levels: Sequence[Altered]) -> str:
    before = found.clean.balanced_accuracy["both"].value
    judged = [(level.balanced_accuracy["both"].value, level) for level in levels]
    values = [(value, level) for value, level in judged if value is not None]
    if before is None or not values:
        return ""
    value, worst = min(values, key=lambda pair: pair[0])
    if value >= before:
        return f"Nothing that was tried lowers the balanced accuracy of {fmt.share(before)}."
    return (
        f"What breaks it most: {name_of(worst)}. With all pictures altered so, balanced accuracy falls from "
        f"{fmt.share(before)} to {fmt.share(value)} at the same threshold."
    )


def _newly_accused(found: Robustness, levels: Sequence[Altered]) -> str:
    if not found.human or not levels:
        return ""
    worst = max(levels, key=lambda level: level.flips.accused)
    number = worst.flips.accused
    if not number:
        return f"None of the {fmt.count(found.human)} human works is newly called AI by any of it."
    works, share = fmt.plural(found.human, "human work"), fmt.share(number / found.human)
    return f"Newly accused: {fmt.count(number)} of {works} ({share}), called human as they are, under {name_of(worst)}."


def _kinds(levels: Sequence[Altered]) -> list[str]:
    if all(level.fragile is None for level in levels):
        return []  # of one class, or too few works
    to_ai, to_human = (_listed([level for level in levels if level.biased == who]) for who in ("ai", "human"))
    fragile, shifted = (
        _listed([level for level in levels if level.fragile]),
        _listed([level for level in levels if level.shifted]),
    )
    lines = []
    if to_ai:
        lines.append(f"Bias: works look more like AI's under {to_ai}; human works altered so are accused for it.")
    if to_human:
        lines.append(f"Bias: works look more like people's under {to_human}; AI works altered so pass for human.")
    if fragile:
        lines.append(f"Fragility: what it looks for is lost under {fragile}.")
    if shifted:
        lines.append(f"No loss of the scores' order was found under {shifted}, but the threshold is in the wrong place then.")
    return lines or ["Neither bias nor fragility beyond chance under anything that was tried on these pictures."]


def _listed(levels: Sequence[Altered]) -> str:
    """Name levels by their distortions: "JPEG 50 and 30; blur 2"."""
    by_name: dict[str, list[str]] = {}
    for level in levels:
        distortion = _NAMED[level.distortion]
        by_name.setdefault(distortion.title, []).append(_level(level, distortion))
    return "; ".join(f"{title} {fmt.listed(names)}" for title, names in by_name.items())


def _alike(found: Robustness, alike: Altered) -> str:
    before, after = found.clean.balanced_accuracy["both"].value, alike.balanced_accuracy["both"].value
    flips = alike.flips
    changed = flips.accused + flips.cleared + flips.missed + flips.found
    instead = "" if after == before else f" instead of {fmt.share(before)}"
    figures = "" if before is None else f", and balanced accuracy is {fmt.share(after)}{instead}"
    return (
        f"With every picture re-encoded alike first (JPEG {ALIKE_QUALITY}), {fmt.count(changed)} of "
        f"{fmt.plural(found.human + found.ai, 'verdict')} {'changes' if changed == 1 else 'change'}{figures}."
    )
