"""Constructed predictions, of which it is known what has to come out."""

import numpy as np
import pandas as pd
import pytest

from artclf.errors import ArtclfError
from artclf.evaluation.decision import default_rule, with_verdicts
from artclf.evaluation.gap import FIGURES, row_of
from artclf.evaluation.holdout import HoldoutRun, holdout_results
from artclf.evaluation.intervals import UNDEFINED

RULE = default_rule("nothing")  # the verdict is AI from 0.5 on
COLUMNS = ["path", "label", "generator", "style", "split", "p_ai"]
HUMAN = np.linspace(0.01, 0.45, 20)  # no human image is called AI at 0.5


def predictions(leave: str, scores: dict[str, np.ndarray]) -> pd.DataFrame:
    """One run: generator → p_ai of its test images; all that was left out is in a split of its own. Rows in no order."""
    parts = []
    for name, p_ai in {**scores, "human": HUMAN}.items():
        label, split = "human" if name == "human" else "ai", "unseen" if name == leave else "test"
        rows = pd.DataFrame({"path": [f"{name}/{i}.png" for i in range(len(p_ai))], "p_ai": p_ai})
        parts.append(rows.assign(label=label, generator=name, style="plain", split=split))
        if name == leave:  # images that trained the others; none is found
            parts.append(
                rows.assign(path="train/" + rows["path"], label=label, generator=name, style="", split=split, p_ai=0.0)
            )
    parts.append(parts[0].assign(split="val", path="val/" + parts[0]["path"], p_ai=0.99))  # which is no part of anything
    return with_verdicts(pd.concat(parts).sample(frac=1, random_state=0), RULE)


def three_runs() -> list[HoldoutRun]:
    """alpha is found always; beta half of the time when unseen, and always when seen; gamma never when unseen."""
    found, missed = np.full(10, 0.9), np.full(10, 0.1)
    half = np.where(np.arange(10) < 5, 0.9, 0.1)
    return [
        HoldoutRun("alpha", predictions("alpha", {"alpha": found, "beta": found, "gamma": half})),
        HoldoutRun("beta", predictions("beta", {"alpha": found, "beta": half, "gamma": found})),
        HoldoutRun("gamma", predictions("gamma", {"alpha": found, "beta": found, "gamma": missed})),
    ]


def test_unseen_seen_and_others_by_hand() -> None:
    alpha, beta, gamma = holdout_results(three_runs(), "generator")
    assert [row.images for row in gamma] == ["unseen", "paired", "seen", "others"]
    unseen, paired, seen, others = gamma
    assert (unseen.name, unseen.ai, unseen.human) == ("gamma", 20, 20)  # ten of them trained the others
    assert (paired.ai, seen.ai, seen.human) == (10, 10, 20)
    assert tuple(unseen.estimates) == tuple(FIGURES)
    recalls = [[row.estimates["recall"].value for row in rows] for rows in (beta, gamma)]
    assert recalls == [[0.25, 0.5, 1, 1], [0, 0, 0.75, 1]]
    assert unseen.estimates["recall_at_5"].value == 0  # one of twenty human images may lie above, the next has 0.43
    bounds = [row_of("", "seen", run.predictions.query("generator == 'gamma'")).estimates["recall"] for run in three_runs()[:2]]
    assert seen.estimates["recall"].low == pytest.approx(np.mean([one.low for one in bounds]))
    assert (seen.runs, others.runs) == (2, 1)
    scores = [row.estimates["auroc"].value for row in gamma]
    assert paired.gap.value == pytest.approx(scores[1] - scores[2])
    assert paired.gap.high < 0 == alpha[1].gap.value
    assert unseen.gap == UNDEFINED
    assert seen.estimates["ece"].value > seen.ece_by_chance > 0
    for alone in (holdout_results(three_runs()[:1], "generator")[0], holdout_results(three_runs(), "period")[0]):
        assert [row.images for row in alone] == ["unseen", "others"]  # no other run has seen all years of a period
        assert alone[0] == alpha[0]


@pytest.mark.parametrize("by", ["style", "source"])
def test_a_style_or_source_is_compared_with_its_own_human_images(by: str) -> None:
    def run(leave: str) -> HoldoutRun:
        rows = [
            (f"{style}/{label}{i}.png", label, label, style, "unseen" if style == leave else "test", p_ai)
            for style, human in (("plain", 0.1), ("rough", 0.9))
            for label, p_ai in (("ai", 0.8), ("human", human))
            for i in range(6)
        ]
        tested = pd.DataFrame(rows, columns=COLUMNS)
        trained = tested[tested["split"] == "unseen"].assign(path="train/" + tested["path"])
        return HoldoutRun(leave, with_verdicts(pd.concat([tested, trained]), RULE))

    (plain, paired, _, others), (rough, *_) = holdout_results([run("plain"), run("rough")], by)
    assert (plain.ai, plain.human) == (12, 12)
    assert (paired.ai, paired.human) == (6, 6)
    for name, values in {"auroc": (1, 0, 0), "false_positive_rate": (0, 1, 1)}.items():
        assert tuple(row.estimates[name].value for row in (plain, rough, others)) == values


def test_a_source_without_test_images_or_of_one_class_has_its_rates_alone() -> None:
    """Nothing to compare with, and no AUROC."""
    human = [(f"{i}.png", "human", "human", "", "unseen", 0.9 if i < 3 else 0.1) for i in range(10)]
    rest = [(f"{label}.png", label, label, "", "test", 0.5) for label in ("ai", "human")]
    here, there = (with_verdicts(pd.DataFrame(rows, columns=COLUMNS), RULE) for rows in ([*human, *rest], [*rest]))
    (unseen, others), _ = holdout_results([HoldoutRun("a", here), HoldoutRun("b", there.replace("test", "unseen"))], "source")
    assert (unseen.images, others.images, unseen.gap) == ("unseen", "others", UNDEFINED)
    assert unseen.estimates["false_positive_rate"].value == 0.3
    assert [unseen.estimates[name].value for name in ("recall", "auroc", "recall_at_1")] == [None] * 3


def test_other_images_are_refused() -> None:
    first, second, third = three_runs()
    gone = HoldoutRun("beta", second.predictions[second.predictions["path"] != "alpha/3.png"])
    with pytest.raises(ArtclfError, match=r"beta: its run was not tested on alpha/3\.png \(1 such images\)"):
        holdout_results([first, gone, third], "generator")
    with pytest.raises(ArtclfError, match="alpha: its run has no predictions of a split held_out"):
        holdout_results([HoldoutRun("alpha", first.predictions, "held_out")], "generator")
