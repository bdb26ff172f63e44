"""What was typed after `train.py`, checked before anything is made.

Hydra refuses an unknown key when it composes, and stops at the first. So the same words are composed here before, with every
value admitted, and the outcome is held against the schema: that reports every mistake at once.
"""

import copy
import math
import re
import shlex
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from artclf.config.several import several_mistakes
from artclf.config.space import count_values, search_space, setting, space_mistakes
from artclf.errors import ArtclfError, nearest
from artclf.runtime import cores

APPENDED = ("finetune", "holdout")  # groups that are no part of the defaults list
APPENDING = (  # what Hydra says of them → what to type
    (r"Multiple values for (\w+)\.", "the experiment has one already; replace it, without the plus: {0}=NAME"),
    (r"Could not override '(\w+)'\. No match", "the experiment has none; it is appended, with a plus: +{0}=NAME"),
)
MOST_RUNS = 10_000  # of a multirun: Hydra makes the list of all of them first
LAUNCHERS = {  # hydra/launcher= → the package's middle name, and the extra that brings it
    "joblib": ("joblib", "joblib"),
    "ray": ("ray", "ray"),
    "submitit_local": ("submitit", "slurm"),
    "submitit_slurm": ("submitit", "slurm"),
}


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
            parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
            for word in words:
                parser.parse_override(word)  # its own message is the clearer one
            overrides = parser.parse_overrides(words)
        except HydraException as error:
            return [str(error).splitlines()[0]]
        try:
            searched, settled = _search(overrides)
            mistakes = _sweep_mistakes(overrides, words, multirun=multirun) + _space_mistakes(searched)
        except ArtclfError as error:
            return [str(error)]
        if mistakes:
            return mistakes
        overrides = [*settled, *searched]
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
        return _choices_mistakes(overrides, check, searched, multirun=multirun)


def _choices_mistakes(
    overrides: list[Override], check: Callable[[DictConfig], list[str]], searched: list[Override], *, multirun: bool
) -> list[str]:
    """What is wrong with the first value of each override, and with each other value in its place."""
    lenient, *others = _choices(overrides)
    strict = [f"{o.get_key_element()}={_values(o)[0]}" if o.is_sweep_override() else str(o.input_line) for o in overrides]
    first: DictConfig | None = None
    refused = []
    try:
        first = _composed(strict)  # what is sound is composed once
    except (HydraException, OmegaConfBaseException) as error:
        refused = [_said(error)]  # told where nothing else is wrong: keys that are new (a callback's option) want a plus
    found: dict[str, None] = {}  # a dict, because it keeps the order
    for choice in (lenient, *others):
        word = next((new for new, old in zip(choice, lenient, strict=True) if new != old), None)
        job = first if word is None or first is None else _replaced(first, word, overrides)
        try:
            if job is None:
                job = _composed(choice)
        except (HydraException, OmegaConfBaseException) as error:
            found[_said(error)] = None
            continue
        first = job if word is None else first
        found.update(dict.fromkeys(_job_mistakes(job, choice, check, searched, multirun=multirun)))
    return list(found) or refused


def _composed(words: list[str]) -> DictConfig:
    """What Hydra composes, without its own part, which is known to ${hydra:…}."""
    composed = compose("train", overrides=words, return_hydra_config=True)
    with open_dict(composed):
        composed.hydra.runtime.output_dir = composed.hydra.run.dir  # known only once a run has begun
        HydraConfig.instance().set_config(composed)
        return OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])


def _replaced(job: DictConfig, word: str, overrides: list[Override]) -> DictConfig | None:
    """A configuration with another value for one key; None where that has to be composed.

    Composing takes a tenth of a second, and a sweep may hold dozens of values.
    """
    override = OverridesParser.create().parse_override(word)
    key, value = override.key_or_group, override.value()
    if not override.is_force_add() or isinstance(value, dict | list) or OmegaConf.is_config(OmegaConf.select(job, key)):
        return None  # a group's choice is a file, and a mapping is merged with what was there before
    keys = [f"{o.key_or_group}." for o in overrides if not _is_group(o)]
    if sum(other.startswith(f"{key}.") or f"{key}.".startswith(other) for other in keys) > 1:
        return None  # of several words about one key, the order counts
    replaced = copy.deepcopy(job)
    try:
        OmegaConf.update(replaced, key, value, force_add=True)
    except OmegaConfBaseException:
        return None  # to be told in Hydra's words
    return replaced


def _chosen(overrides: list[Override], key: str) -> str | None:
    """What was typed for a key, as text."""
    return next((str(o.value()) for o in overrides if o.key_or_group == key and not o.is_delete()), None)


def _search(overrides: list[Override]) -> tuple[list[Override], list[Override]]:
    """What is searched or swept, and what is settled: with sweep=optuna, the space of the configuration is searched too."""
    params: dict[str, str] = {}
    if _chosen(overrides, "sweep") == "optuna":
        words = ["sweep=optuna", *(str(o.input_line) for o in overrides if o.key_or_group.startswith("hydra.sweeper."))]
        try:
            params = dict(compose("train", overrides=words, return_hydra_config=True).hydra.sweeper.params)
        except (HydraException, OmegaConfBaseException) as error:
            raise ArtclfError(_said(error)) from error
    return search_space(params, overrides)


def _sweep_mistakes(overrides: list[Override], words: list[str], *, multirun: bool) -> list[str]:
    """What is wrong with how a sweep is asked for: without -m, without the package, without a search where it needs one."""
    lines = []
    launcher = _chosen(overrides, "hydra/launcher")
    jobs = _chosen(overrides, "hydra.launcher.n_jobs")
    if launcher == "joblib" and jobs is not None and jobs.isdigit() and int(jobs) > cores():
        lines.append(
            f"hydra.launcher.n_jobs={jobs}: this machine has {cores()} CPU cores; allowed: up to {cores()}, or -1 for all"
        )
    if launcher in LAUNCHERS and find_spec(f"hydra_plugins.hydra_{LAUNCHERS[launcher][0]}_launcher") is None:
        extra = LAUNCHERS[launcher][1]
        lines.append(f'hydra/launcher={launcher} is not installed; type pip install -e ".[{extra}]"')
    if _chosen(overrides, "sweep") == "optuna":
        if not multirun:
            lines.append(f"sweep=optuna needs a multirun: python train.py -m {' '.join(words)}")
        if find_spec("optuna") is None:
            lines.append('sweep=optuna is not installed; type pip install -e ".[sweep]"')
    elif multirun:
        swept = [override for override in overrides if override.is_sweep_override() and not override.is_interval_sweep()]
        runs = math.prod(count_values(override) for override in swept)
        if runs > MOST_RUNS:
            named = " ".join(str(override.input_line) for override in swept)
            lines.append(f"{named}: a multirun of {runs:,} runs; allowed: up to {MOST_RUNS:,}")
        lines += [
            f"{override.input_line}: an interval needs a search: add sweep=optuna, or type values (0.1,0.2)"
            for override in overrides
            if override.is_interval_sweep()
        ]
    return lines


def _space_mistakes(searched: list[Override]) -> list[str]:
    lines = []
    for override in searched:
        try:
            setting(override)
        except ArtclfError as error:
            lines.append(str(error))
    return lines


def _values(override: Override) -> list[str]:
    """The values of a sweep that are worth a look: each of a choice, the ends of numbers."""
    return setting(override).ends


def _choices(overrides: list[Override]) -> list[list[str]]:
    """The first value of each override, then each other value in its place."""
    values = [
        [f"{_lenient(override)}={value}" for value in _values(override)]
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
    return _options_of(GlobalHydra.instance().config_loader(), group)


@lru_cache(maxsize=256)
def _options_of(loader: ConfigLoader, group: str) -> list[str]:
    """A group's choices; Hydra copies all that it knows to look them up, and they are asked for with each value."""
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
        values = _values(override)
    else:
        value = override.value()
        values = [str(item) for item in value] if isinstance(value, list) else [str(value)]
        if group == "holdout" and isinstance(value, list):
            return [f"{override.input_line}: one at a time is left out: +holdout={' or +holdout='.join(options)}"]
    return [
        f"{group}: got {value!r}; allowed: {', '.join(options)}{nearest(value, options)}"
        for value in values
        if value not in options
    ]


def _said(error: Exception) -> str:
    """One line of Hydra's: what is wrong, with the cause that "Error merging override" hides, or what to type instead."""
    first, *more = str(error).splitlines()
    for pattern, said in APPENDING:
        found = re.match(pattern, first)
        if found and found[1] in APPENDED:
            return f"{found[1]}: {said.format(found[1])}"
    if first.startswith("Error merging override") and error.__cause__:
        return f"{first}: {str(error.__cause__).splitlines()[0]}"
    hint = next((line for line in more if line.startswith("To append")), "")
    return f"{first} {hint}".strip()


def _job_mistakes(
    job: DictConfig, words: list[str], check: Callable[[DictConfig], list[str]], searched: list[Override], *, multirun: bool
) -> list[str]:
    mistakes = check(job)
    if "sweep=optuna" in words:
        mistakes += space_mistakes(searched, str(job.monitor.metric))
        if not (job.get("callbacks") or {}).get("best"):
            mistakes.append("callbacks.best: sweep=optuna needs it, which keeps the best weights, as callbacks=default does")
    swept = any(override.key_or_group.split(".")[0] == "holdout" for override in searched)
    return [*mistakes, *several_mistakes(job, multirun=multirun, swept=swept)]


FOLDER = ("resume", "resume.folder")  # as it is typed, and as Hydra reads it


def resumed_folder(words: list[str], *, multirun: bool) -> Path | None:
    """Return the folder that `resume=FOLDER` names; None where nothing is to be resumed.

    Args:
        words: the overrides, in which nothing else is wrong.
        multirun: whether they are swept over.

    Raises:
        ArtclfError: where more than the folder is typed.
    """
    overrides = [override for override in OverridesParser.create().parse_overrides(words) if not override.is_hydra_override()]
    folder = next((override.value() for override in overrides if override.key_or_group in FOLDER), None)
    if folder is None:
        return None
    if multirun:
        raise ArtclfError("resume: one run at a time goes on; leave -m out: python train.py resume=FOLDER")
    others = [override.input_line for override in overrides if override.key_or_group not in (*FOLDER, "resume.trust")]
    if others:
        raise ArtclfError(
            f"resume={folder}: a run goes on as its config.yaml says; leave out {' '.join(map(str, others))}, or begin anew"
        )
    return Path(str(folder))


def quoted(value: str) -> str:
    """A value as Hydra reads it back: in quotes, with what they would end escaped."""
    return str(QuotedString(value, Quote.single).with_quotes())


def resume_command(run: Path) -> str:
    """What to type, in a shell, to go on with a run."""
    plain = re.fullmatch(r"[\w./-]+", str(run))
    return f"python train.py {shlex.quote(f'resume={run if plain else quoted(str(run))}')}"
