"""What was typed after `train.py`, checked before anything is made.

Hydra refuses an unknown key when it composes, and stops at the first. So the same words are composed here before, with every
value admitted, and the outcome is held against the schema: that reports every mistake at once.
"""

import re
from collections.abc import Callable
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from artclf.errors import ArtclfError, nearest

APPENDED = ("finetune",)  # groups that are no part of the defaults list


def override_mistakes(words: list[str], conf: Path, check: Callable[[DictConfig], list[str]], *, multirun: bool) -> list[str]:
    """Return a line for every mistake in the overrides of a command line; an empty list where all is well.

    Args:
        words: the overrides ("model=resnet50", "+finetune=last10", "seed=0,1").
        conf: the folder with train.yaml.
        check: what a composed configuration is held against; returns a line for every mistake.
        multirun: whether lists of values ("seed=0,1") are to be swept over.
    """
    with initialize_config_dir(str(conf), version_base="1.3", job_name="train"):
        try:
            overrides = [OverridesParser.create().parse_override(word) for word in words]
        except HydraException as error:
            return [str(error).splitlines()[0]]
        replaces = any(override.key_or_group == "experiment" for override in overrides)
        mistakes = [line for override in overrides for line in _group_mistakes(override, replaces=replaces)]
        if not multirun:
            mistakes += [
                f"{override.input_line}: several values need a multirun: python train.py -m {' '.join(words)}"
                for override in overrides
                if override.is_sweep_override()
            ]
        if mistakes:
            return mistakes
        found: dict[str, None] = {}  # a dict, because it keeps the order
        for choice in _choices(overrides):
            found.update(dict.fromkeys(_composed_mistakes(choice, check, multirun=multirun)))
        return list(found)


def resumed_folder(words: list[str], *, multirun: bool) -> Path | None:
    """Return the folder that `resume=FOLDER` names; None where nothing is to be resumed.

    Args:
        words: the overrides, in which nothing else is wrong.
        multirun: whether they are swept over.

    Raises:
        ArtclfError: where more than the folder is typed.
    """
    overrides = [override for override in OverridesParser.create().parse_overrides(words) if not override.is_hydra_override()]
    folder = next((override.value() for override in overrides if override.key_or_group == "resume"), None)
    if folder is None:
        return None
    if multirun:
        raise ArtclfError("resume: one run at a time goes on; leave -m out: python train.py resume=FOLDER")
    others = [override.input_line for override in overrides if override.key_or_group != "resume"]
    if others:
        raise ArtclfError(
            f"resume={folder}: a run goes on as its config.yaml says; leave out {' '.join(map(str, others))}, or begin anew"
        )
    return Path(str(folder))


def quoted(value: str) -> str:
    """A value as Hydra reads it back: in quotes, with what they would end escaped."""
    escaped = re.sub(r"(\\*)'", lambda match: match[1] * 2 + r"\'", value)
    return f"'{escaped}'"


def _choices(overrides: list[Override]) -> list[list[str]]:
    """The first value of each override, then each other value in its place."""
    values = [
        [f"{_lenient(override)}={value}" for value in override.sweep_string_iterator()]
        if override.is_sweep_override()
        else [_lenient_line(override)]
        for override in overrides
    ]
    first = [options[0] for options in values]
    others = [[*first[:i], value, *first[i + 1 :]] for i, options in enumerate(values) for value in options[1:]]
    return [first, *others]


def _is_group(override: Override) -> bool:
    return bool(_options(override.key_or_group))


def _options(group: str) -> list[str]:
    loader = GlobalHydra.instance().config_loader()
    return [name for name in loader.get_group_options(group) if not name.startswith("_")]


def _lenient(override: Override) -> str:
    key: str = override.get_key_element()
    return key if _is_group(override) or override.is_hydra_override() else f"++{override.key_or_group}"


def _lenient_line(override: Override) -> str:
    if override.is_delete() or _is_group(override) or override.is_hydra_override():
        return str(override.input_line)
    return f"++{override.key_or_group}={override.get_value_element_as_str()}"


def _group_mistakes(override: Override, *, replaces: bool) -> list[str]:
    """What is wrong with the choice for a group; `replaces`: whether an experiment may have appended what is chosen anew."""
    group = override.key_or_group
    options = _options(group)
    if not options or override.is_delete() or override.is_hydra_override():
        return []
    if group in APPENDED and not override.is_add() and not replaces:
        return [f"{override.input_line}: {group} is appended, with a plus: +{override.input_line}"]
    if group not in APPENDED and override.is_add():
        return [f"{override.input_line}: {group} has a choice already; change it without the plus"]
    if override.is_sweep_override():
        values = list(override.sweep_string_iterator())
    else:
        value = override.value()
        values = [str(item) for item in value] if isinstance(value, list) else [str(value)]
    return [
        f"{group}: got {value!r}; allowed: {', '.join(options)}{nearest(value, options)}"
        for value in values
        if value not in options
    ]


def _composed_mistakes(words: list[str], check: Callable[[DictConfig], list[str]], *, multirun: bool) -> list[str]:
    try:
        composed = compose("train", overrides=words, return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        line = str(error).splitlines()[0]
        return [_plainly(line)]
    with open_dict(composed):
        composed.hydra.runtime.output_dir = composed.hydra.run.dir  # known only once a run has begun
        HydraConfig.instance().set_config(composed)
        job = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    mistakes = check(job)
    one = {"strategy": "auto", "devices": 1, "num_nodes": 1}
    several = [f"trainer.{key}={got}" for key, value in one.items() if (got := composed.trainer.get(key, value)) != value]
    if multirun and several:
        mistakes.append(
            f"{', '.join(several)}: runs on several devices can't be swept, since every process would start the sweep again; "
            "type the runs one by one without -m, or sweep with one device for each run: trainer=gpu (with "
            "hydra/launcher=joblib or ray, several runs at once)"
        )
    return mistakes


def _plainly(line: str) -> str:
    """Hydra's words about a group that is appended, as what to type; all else as it is."""
    for pattern, said in (
        (r"Multiple values for (\w+)\.", "the experiment has one already; replace it, without the plus: {0}=NAME"),
        (r"Could not override '(\w+)'\. No match", "the experiment has none; it is appended, with a plus: +{0}=NAME"),
    ):
        found = re.match(pattern, line)
        if found and found[1] in APPENDED:
            return f"{found[1]}: {said.format(found[1])}"
    return line
