"""Every mistake in what was typed after `train.py`, reported at once, before anything is made.

Hydra refuses an unknown key when it composes, and stops at the first. So the same words are composed here with every key
admitted, and the outcome is checked: a line for each mistake, with key, what was got, and what is allowed.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from artclf.config.command import command_of, parsed
from artclf.config.space import search_space, setting, space_mistakes
from artclf.config.validate import interpolation_mistakes, leaves
from artclf.config.values import path_mistake
from artclf.errors import ArtclfError, nearest, shown

NEEDED = {  # (group, choice) → the module that it needs, and the extra that brings it
    ("sweep", "optuna"): ("optuna", "sweep"),
    ("logger", "tensorboard"): ("tensorboard", "tensorboard"),
    ("logger", "wandb"): ("wandb", "wandb"),
    ("logger", "mlflow"): ("mlflow", "mlflow"),
    ("hydra/launcher", "joblib"): ("hydra_plugins.hydra_joblib_launcher", "joblib"),
    ("hydra/launcher", "ray"): ("hydra_plugins.hydra_ray_launcher", "ray"),
    ("hydra/launcher", "submitit_local"): ("hydra_plugins.hydra_submitit_launcher", "slurm"),
    ("hydra/launcher", "submitit_slurm"): ("hydra_plugins.hydra_submitit_launcher", "slurm"),
}
HYDRAS_OWN = ("hydra", "hydra.callbacks", "hydra.launcher", "hydra.searchpath", "hydra.sweeper")
ONE_DEVICE = {"strategy": "auto", "devices": 1, "num_nodes": 1}


def override_mistakes(words: list[str], conf: Path, check: Callable[[DictConfig], list[str]], *, multirun: bool) -> list[str]:
    """Return a line for every mistake in the overrides of a command line; an empty list where all is well.

    Args:
        words: the overrides ("model=resnet50", "+finetune=last10", "seed=0,1"), as `parse_flags` returns them.
        conf: the folder with train.yaml.
        check: returns a line for every mistake in a composed configuration. It is called for as many as there are values in
            the longest list, so that each value is in one of them.
        multirun: whether lists of values ("seed=0,1") are to be swept over.
    """
    with initialize_config_dir(str(conf), version_base="1.3", job_name="train"):
        if unreadable := [line for word in words for line in _word_mistakes(word)]:
            return unreadable
        try:
            typed = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader()).parse_overrides(words)
            chosen = {override.key_or_group: str(override.value()) for override in typed if not override.is_delete()}
            swept, fixed = search_space(_configured_space(chosen, typed), typed)
            values = [(o, [o.get_value_element_as_str()]) for o in fixed] + [(o, setting(o).ends) for o in swept]
        except (HydraException, OmegaConfBaseException, ArtclfError) as error:
            return [_reason(error)]
        lines = list(_sweep_mistakes(chosen, swept, words, multirun=multirun))
        lines += [line for override, own in values for line in _group_mistakes(override, own)]
        if lines:
            return lines

        def check_job(job: DictConfig) -> list[str]:
            if found := interpolation_mistakes(job):
                return found
            found = [*check(job), *_job_mistakes(job, swept, multirun=multirun)]
            if chosen.get("sweep") == "optuna":
                found += space_mistakes(swept, str(job.monitor.metric))
                if not (job.get("callbacks") or {}).get("best"):
                    found.append("callbacks.best: sweep=optuna needs it, for the best weights, as callbacks=default has it")
            return found

        return _check_jobs(values, check_job)


def _word_mistakes(word: str) -> Iterator[str]:
    """That a word is no override, or one of a part of Hydra's that is not for the command line."""
    override = parsed(word)
    if override is None or not override.key_or_group:
        yield f"{shown(word)}: can't be read; allowed: KEY=VALUE, +KEY=VALUE for a new key, ~KEY to leave one out"
        return
    key = override.key_or_group
    if key == "hydra.mode":
        yield "hydra.mode: type -m for a multirun"
    elif key in HYDRAS_OWN or (key.startswith("hydra.") and "_target_" in word):
        yield f"{shown(word)}: can't be typed; allowed: hydra/launcher=NAME, hydra.launcher.KEY=VALUE, and the like"
    elif override.is_delete() and isinstance(override.value(), list | dict):
        yield f"{shown(word)}: allowed: ~{key}, or ~{key}=VALUE where it has that value"


def _hydra_mistakes(hydra: DictConfig) -> Iterator[str]:
    """What Hydra itself would find only after it has begun."""
    for key in ("run.dir", "sweep.dir", "sweep.subdir", "job.name"):
        try:
            place = OmegaConf.select(hydra, key)
        except (OmegaConfBaseException, RecursionError) as error:
            yield f"hydra.{key}: {str(error).splitlines()[0]}"
            continue
        if not isinstance(place, str) or not place:
            yield f"hydra.{key}: got {shown(place)}; type hydra.{key}={'NAME' if key == 'job.name' else 'FOLDER'}"
        elif wrong := path_mistake(place):
            yield f"hydra.{key}: {wrong}"
    if not isinstance(hydra.verbose, bool | str | ListConfig):
        yield f"hydra.verbose: got {shown(hydra.verbose)}; allowed: true, false, the name of a logger, a list of names"
    for part in ("job_logging", "hydra_logging"):
        for path, value in leaves(OmegaConf.to_container(hydra[part])):
            if path[-1] == "level" and value not in logging.getLevelNamesMapping():
                yield f"hydra.{part}.{'.'.join(path)}: got {shown(value)}; allowed: {', '.join(logging.getLevelNamesMapping())}"


def leaves_each_out(job: DictConfig) -> bool:
    """Whether +holdout trains a run for each generator, style, source or period, since holdout.leave names none."""
    holdout = job.get("holdout")
    return isinstance(holdout, DictConfig) and "by" in holdout and holdout.get("leave") is None


def _configured_space(chosen: Mapping[str, str], typed: Sequence[Override]) -> Mapping[str, str]:
    """The search space of the configuration: key → what it may be."""
    if chosen.get("sweep") != "optuna":
        return {}
    words = ["sweep=optuna", *(str(o.input_line) for o in typed if o.key_or_group.startswith("hydra.sweeper."))]
    return dict(compose("train", overrides=words, return_hydra_config=True).hydra.sweeper.params)


def _sweep_mistakes(chosen: Mapping[str, str], swept: Sequence[Override], words: list[str], *, multirun: bool) -> Iterator[str]:
    """What a sweep lacks: a package, the flag -m, or a search for its intervals."""
    for (group, name), (module, extra) in NEEDED.items():
        # a folder without code, as W&B leaves one, has no origin
        if chosen.get(group) == name and getattr(find_spec(module), "origin", None) is None:
            yield f'{group}={name} is not installed; type pip install -e ".[{extra}]"'
    search = chosen.get("sweep") == "optuna"
    if (search or swept) and not multirun:
        what = "sweep=optuna" if search else ", ".join(str(override.input_line) for override in swept)
        yield f"{what} needs a multirun: {command_of(['-m'])} {' '.join(words)}"
    for override in swept:
        if override.is_interval_sweep() and not search:
            yield f"{override.input_line}: an interval needs a search: add sweep=optuna, or type values (0.1,0.2)"


def _group_mistakes(override: Override, values: list[str]) -> list[str]:
    """The choices of an override that its group does not have."""
    group, value = override.key_or_group, override.value()
    options = [] if override.is_delete() or override.is_hydra_override() else _options(override)
    if options and group == "holdout" and isinstance(value, list):
        return [f"{override.input_line}: one at a time is left out: +holdout={' or +holdout='.join(options)}"]
    names = list(map(str, value)) if isinstance(value, list) else values
    allowed = ", ".join(options)
    return [f"{group}: got {n!r}; allowed: {allowed}{nearest(n, options)}" for n in names if options and n not in options]


def _options(override: Override) -> list[str]:
    """The choices of an override's group; none where it is a key."""
    names = GlobalHydra.instance().config_loader().get_group_options(override.key_or_group)
    return [name for name in names if not name.startswith("_")]


def _check_jobs(values: list[tuple[Override, list[str]]], check: Callable[[DictConfig], list[str]]) -> list[str]:
    """Check as many configurations as the longest list has values: the first of each list, the second of each, and so on."""
    found: dict[str, None] = {}  # a dict, because it keeps the order
    refused: dict[str, None] = {}  # reported where nothing else is wrong: a new key may only lack its plus
    for number in range(max((len(own) for _, own in values), default=1)):
        chosen = [(override, own[min(number, len(own) - 1)]) for override, own in values]
        for admit, errors in ((False, refused), (True, found)):
            try:
                job, mistakes = compose_job([_word(override, value, admit=admit) for override, value in chosen])
            except (HydraException, OmegaConfBaseException) as error:
                errors[_reason(error)] = None
            else:
                found.update(dict.fromkeys([*check(job), *mistakes]))
                break
    return list(found or refused)


def compose_job(words: list[str]) -> tuple[DictConfig, list[str]]:
    """What Hydra composes, without its own part, which ${hydra:…} refers to, and a line for each mistake in that."""
    composed = compose("train", overrides=words, return_hydra_config=True)
    with open_dict(composed):
        composed.hydra.job.num = 0  # what is known only once a run has begun
        HydraConfig.instance().set_config(composed)
        mistakes = list(_hydra_mistakes(composed.hydra))
        with read_write(composed.hydra):
            composed.hydra.runtime.output_dir = "" if mistakes else composed.hydra.run.dir
        HydraConfig.instance().set_config(composed)
        job = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
        return job, mistakes


def _word(override: Override, value: str, *, admit: bool) -> str:
    """An override with one of its values; `admit`: its key is admitted even where it is new."""
    key = override.get_key_element()
    if override.is_delete():
        return str(override.input_line)
    new = admit and not (override.is_hydra_override() or _options(override))
    return f"++{key.lstrip('+')}={value}" if new else f"{key}={value}"


def _reason(error: Exception) -> str:
    """One line of Hydra's: what is wrong, with the cause where it has one, or what to type instead."""
    first, *more = str(error).splitlines()
    if first.startswith("Multiple values for ") or "more than once" in first:
        return f"{first.split('.')[0]}: type it without the plus"
    details = [*str(error.__cause__ or "").splitlines(), *more]
    if first.startswith("Error ") and details:  # while it parses or merges
        return f"{first}: {details[0]}"
    return f"{first} {next((line for line in more if line.startswith('To append')), '')}".strip()


def _job_mistakes(job: DictConfig, swept: Sequence[Override], *, multirun: bool) -> Iterator[str]:
    """What does not go together: +holdout, a sweep, and several devices for one run."""
    each = leaves_each_out(job)
    if each and swept:
        yield (
            f"+holdout={job.holdout.by} trains a run for each {job.holdout.by}, so nothing else can be swept; to sweep with "
            f"one {job.holdout.by} left out in all runs: holdout.leave=NAME"
        )
    elif any(override.key_or_group.split(".")[0] == "holdout" for override in swept):
        yield "holdout can't be swept: runs are compared on the same images; without holdout.leave each is left out once"
    trainer = job.get("trainer") or {}
    several = [f"trainer.{key}={trainer[key]}" for key, one in ONE_DEVICE.items() if trainer.get(key, one) != one]
    if several and (each or multirun):
        yield (
            f"{', '.join(several)}: runs on several devices can't be swept, since every process would start the sweep again; "
            "type them one by one, without -m (with +holdout: each with its holdout.leave=NAME), or on one device: trainer=gpu"
        )
