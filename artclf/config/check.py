"""Every mistake in what was typed after `train.py`, reported at once, before anything is made.

Hydra refuses an unknown key when it composes, and stops at the first. So the same words are composed here before with every
key admitted, and the outcome is held against the schema: a line for each mistake, with key, what was got, and what is allowed.
"""

import difflib
import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args, get_origin

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError, create_model

from artclf.config.schema import Config, Section
from artclf.config.space import count_values, search_space, setting, space_mistakes
from artclf.errors import ArtclfError, nearest
from artclf.runtime import cores

APPENDED = ("finetune", "holdout")  # groups that are not in the defaults list
APPENDING = (  # what Hydra says about them → what to type
    (r"Multiple values for (\w+)\.", "the experiment has one already; replace it, without the plus: {0}=NAME"),
    (r"Could not override '(\w+)'\. No match", "the experiment has none; it is appended, with a plus: +{0}=NAME"),
)
MOST_RUNS = 10_000  # of a multirun: Hydra makes the list of all of them first
LAUNCHERS = {"joblib": "joblib", "ray": "ray", "submitit_local": "slurm", "submitit_slurm": "slurm"}  # → the extra
ONE_DEVICE = {"strategy": "auto", "devices": 1, "num_nodes": 1}


def override_mistakes(words: list[str], conf: Path, check: Callable[[DictConfig], list[str]], *, multirun: bool) -> list[str]:
    """Return a line for every mistake in the overrides of a command line; an empty list where all is well.

    Args:
        words: the overrides ("model=resnet50", "+finetune=last10", "seed=0,1").
        conf: the folder with train.yaml.
        check: returns a line for every mistake in a composed configuration. It is called for as many as there are values in
            the longest list, so that each value is in one of them.
        multirun: whether lists of values ("seed=0,1") are to be swept over.
    """
    with initialize_config_dir(str(conf), version_base="1.3", job_name="train"):
        try:
            parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
            for word in words:
                parser.parse_override(word)  # its own message is clearer than that about all of them
            typed = parser.parse_overrides(words)
            searched, settled = _search(typed)
            lines = [*_sweep_mistakes(typed, words, multirun=multirun), *_space_mistakes(searched)]
        except (HydraException, ArtclfError) as error:
            return [_reason(error)]
        if lines:
            return lines
        overrides = [*settled, *searched]
        replaces = any(override.key_or_group == "experiment" for override in overrides)
        lines = [line for override in overrides for line in _group_mistakes(override, replaces=replaces)]
        if not multirun and not lines:
            lines = [
                f"{override.input_line}: several values need a multirun: python train.py -m {' '.join(words)}"
                for override in searched
            ]
        return lines or _value_mistakes(overrides, searched, check, multirun=multirun)


def _value_mistakes(
    overrides: list[Override], searched: list[Override], check: Callable[[DictConfig], list[str]], *, multirun: bool
) -> list[str]:
    """Check as many configurations as the longest list has values: the first of each list, the second of each, and so on."""
    values = [setting(o).ends if o.is_sweep_override() else [None] for o in overrides]
    found: dict[str, None] = {}  # a dict, because it keeps the order
    refused = ""
    for number in range(max(map(len, values), default=1)):
        chosen = [(o, options[min(number, len(options) - 1)]) for o, options in zip(overrides, values, strict=True)]
        try:
            try:
                job = _composed([_word(o, value, lenient=number > 0) for o, value in chosen])
            except (HydraException, OmegaConfBaseException) as error:
                refused = refused or _reason(error)  # reported where nothing else is wrong: a new key may only lack its plus
                job = _composed([_word(o, value, lenient=True) for o, value in chosen])
        except (HydraException, OmegaConfBaseException) as error:
            found[_reason(error)] = None
            continue
        found.update(dict.fromkeys([*check(job), *_multirun_mistakes(job, overrides, searched, multirun=multirun)]))
    return list(found) or ([refused] if refused else [])


def _composed(words: list[str]) -> DictConfig:
    """What Hydra composes, without its own part, which is known to ${hydra:…}."""
    composed = compose("train", overrides=words, return_hydra_config=True)
    with open_dict(composed):
        composed.hydra.runtime.output_dir = composed.hydra.run.dir  # known only once a run has begun
        HydraConfig.instance().set_config(composed)
        return OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])


def _word(override: Override, value: str | None, *, lenient: bool) -> str:
    """An override with one of its values; lenient: any key is admitted."""
    admitted = lenient and not (override.is_delete() or override.is_hydra_override() or _options(override.key_or_group))
    if value is None and not admitted:
        return str(override.input_line)
    key = f"++{override.key_or_group}" if admitted else override.get_key_element()
    return f"{key}={override.get_value_element_as_str() if value is None else value}"


def _chosen(overrides: Iterable[Override], key: str) -> str | None:
    """What was typed for a key, as text."""
    return next((str(o.value()) for o in overrides if o.key_or_group == key and not o.is_delete()), None)


def _search(overrides: list[Override]) -> tuple[list[Override], list[Override]]:
    """What is searched or swept, and what is settled: with sweep=optuna, the space of the configuration is searched too."""
    params: dict[str, str] = {}
    if _chosen(overrides, "sweep") == "optuna":
        words = ["sweep=optuna", *(str(o.input_line) for o in overrides if o.key_or_group.startswith("hydra.sweeper."))]
        try:
            params = dict(compose("train", overrides=words, return_hydra_config=True).hydra.sweeper.params)
        except OmegaConfBaseException as error:
            raise ArtclfError(_reason(error)) from error
    return search_space(params, overrides)


def _sweep_mistakes(overrides: list[Override], words: list[str], *, multirun: bool) -> list[str]:
    """What is wrong with how a sweep is asked for: without -m, without the package, without a search where it needs one."""
    lines = []
    launcher, jobs = _chosen(overrides, "hydra/launcher"), _chosen(overrides, "hydra.launcher.n_jobs")
    if launcher == "joblib" and jobs is not None and jobs.isdigit() and int(jobs) > cores():
        allowed = f"allowed: up to {cores()}, or -1 for all"
        lines.append(f"hydra.launcher.n_jobs={jobs}: this machine has {cores()} CPU cores; {allowed}")
    if launcher in LAUNCHERS and find_spec(f"hydra_plugins.hydra_{launcher.split('_')[0]}_launcher") is None:
        lines.append(f'hydra/launcher={launcher} is not installed; type pip install -e ".[{LAUNCHERS[launcher]}]"')
    if _chosen(overrides, "sweep") == "optuna":
        if not multirun:
            lines.append(f"sweep=optuna needs a multirun: python train.py -m {' '.join(words)}")
        if find_spec("optuna") is None:
            lines.append('sweep=optuna is not installed; type pip install -e ".[sweep]"')
    elif multirun:
        intervals = [o.input_line for o in overrides if o.is_interval_sweep()]
        lines += [f"{i}: an interval needs a search: add sweep=optuna, or type values (0.1,0.2)" for i in intervals]
        swept = [o for o in overrides if o.is_sweep_override() and not o.is_interval_sweep()]
        if (runs := math.prod(map(count_values, swept))) > MOST_RUNS:
            named = " ".join(str(o.input_line) for o in swept)
            lines.append(f"{named}: a multirun of {runs:,} runs; allowed: up to {MOST_RUNS:,}")
    return lines


def _space_mistakes(searched: list[Override]) -> list[str]:
    lines = []
    for override in searched:
        try:
            setting(override)
        except ArtclfError as error:
            lines.append(str(error))
    return lines


def _options(group: str) -> list[str]:
    """A group's choices; none where it is a key."""
    names = GlobalHydra.instance().config_loader().get_group_options(group)
    return [name for name in names if not name.startswith("_")]


def _group_mistakes(override: Override, *, replaces: bool) -> list[str]:
    """What is wrong with the choice for a group; `replaces`: whether an experiment may have appended what is chosen anew."""
    group = override.key_or_group
    options = [] if override.is_delete() or override.is_hydra_override() else _options(group)
    if not options:
        return []
    if group in APPENDED and not override.is_add() and not replaces:
        return [f"{override.input_line}: {group} is appended, with a plus: +{override.input_line}"]
    if group not in APPENDED and override.is_add():
        return [f"{override.input_line}: {group} has a choice already; change it without the plus"]
    value = override.value()
    if group == "holdout" and isinstance(value, list):
        return [f"{override.input_line}: one at a time is left out: +holdout={' or +holdout='.join(options)}"]
    values = setting(override).ends if override.is_sweep_override() else map(str, value if isinstance(value, list) else [value])
    allowed = ", ".join(options)
    return [f"{group}: got {value!r}; allowed: {allowed}{nearest(value, options)}" for value in values if value not in options]


def _reason(error: Exception) -> str:
    """One line of Hydra's: what is wrong, with the cause that "Error merging override" hides, or what to type instead."""
    first, *more = str(error).splitlines()
    for pattern, advice in APPENDING:
        found = re.match(pattern, first)
        if found and found[1] in APPENDED:
            return f"{found[1]}: {advice.format(found[1])}"
    if first.startswith("Error merging override") and error.__cause__:
        return f"{first}: {str(error.__cause__).splitlines()[0]}"
    return f"{first} {next((line for line in more if line.startswith('To append')), '')}".strip()


def _multirun_mistakes(job: DictConfig, overrides: list[Override], searched: list[Override], *, multirun: bool) -> list[str]:
    """What does not go together: a search, several runs from one command, and several devices for one run."""
    lines = []
    if _chosen(overrides, "sweep") == "optuna":
        lines += space_mistakes(searched, str(job.monitor.metric))
        if not (job.get("callbacks") or {}).get("best"):
            lines.append("callbacks.best: sweep=optuna needs it, which keeps the best weights, as callbacks=default does")
    trainer = job.get("trainer") or {}
    got = {key: trainer.get(key, value) for key, value in ONE_DEVICE.items()}
    several = ", ".join(f"trainer.{key}={value}" for key, value in got.items() if value != ONE_DEVICE[key])
    holdout = job.get("holdout")
    each = isinstance(holdout, DictConfig) and "by" in holdout and holdout.get("leave") is None
    if each and searched:
        lines.append(
            f"+holdout={holdout.by} trains a run for each {holdout.by}, so nothing else can be swept; to sweep with one "
            f"{holdout.by} left out in all runs: holdout.leave=NAME"
        )
    elif any(override.key_or_group.split(".")[0] == "holdout" for override in searched):
        lines.append(
            "holdout can't be swept: runs are compared on the same pictures; without holdout.leave each is left out in turn"
        )
    if several and (each or multirun):
        lines.append(
            f"{several}: runs on several devices can't be swept, since every process would start the sweep again; type the "
            f"runs one by one{' with holdout.leave=NAME' if each else ' without -m'}, or sweep with one device for each run: "
            "trainer=gpu (docs/sweeps.md: several such runs at once)"
        )
    return lines


def schema_mistakes(composed: DictConfig) -> list[str]:
    """Return a line for every mistake in a composed configuration: key, what was got, what is allowed, the nearest name."""
    missing = sorted(OmegaConf.missing_keys(composed))
    lines = [f"{key}: has no value yet; type {key}=VALUE" for key in missing]
    try:
        Config.model_validate(OmegaConf.to_container(composed, resolve=True))
    except OmegaConfBaseException as error:
        lines.append(f"{error.full_key}: {str(error).splitlines()[0]}")
    except ValidationError as error:
        items = error.errors(include_url=False)
        lines += [_line(item, Config) for item in items if ".".join(map(str, item["loc"])) not in missing]
    return lines


def validate(composed: DictConfig) -> Config:
    """Return the typed configuration.

    Raises:
        ArtclfError: with a line for every mistake.
    """
    if mistakes := schema_mistakes(composed):
        raise ArtclfError("\n".join(mistakes))
    return Config.model_validate(OmegaConf.to_container(composed, resolve=True))


def part_mistakes(group: str, part: Mapping[str, Any], classes: Mapping[str, type], given: set[str]) -> list[str]:
    """Return a line for every mistake in a head or a loss.

    Args:
        group: the key of the part in the configuration ("head").
        part: its name and its options.
        classes: the classes by name; an option is an argument of the constructor.
        given: arguments that the code fills in and a configuration can't.
    """
    name = part["name"]
    if name not in classes:
        return [f"{group}.name: got {name!r}; allowed: {', '.join(classes)}{nearest(str(name), classes)}"]
    arguments: dict[str, Any] = {
        argument: (parameter.annotation, ... if parameter.default is parameter.empty else parameter.default)
        for argument, parameter in inspect.signature(classes[name]).parameters.items()
        if argument not in given
    }
    schema = create_model("Options", __base__=Section, name=(str, ...), **arguments)
    try:
        schema.model_validate(part)
    except ValidationError as error:
        return [f"{group}.{_line(item, schema)}" for item in error.errors(include_url=False)]
    return []


def _line(item: Any, schema: type[BaseModel]) -> str:
    """One line for one of pydantic's errors."""
    steps = [str(step) for step in item["loc"]]
    key = ".".join(steps)
    match item["type"]:
        case "extra_forbidden":
            known = list(_known_keys(schema, steps))
            siblings = [name for name in known if name.startswith(".".join(steps[:-1]))]
            return f"{key}: unknown key{nearest(key, siblings) or _namesake(steps[-1], known)}"
        case "missing":
            hints = {
                "stages": f" (a stage comes whole: from conf/stages, or +finetune={steps[min(1, len(steps) - 1)]})",
                "holdout": " (type +holdout=generator or +holdout=style too)",
            }
            return f"{key}: is missing{hints.get(steps[0], '')}"
        case "value_error":  # raised in the schema: what is wrong with a whole section names its keys itself
            return str(item["ctx"]["error"]) if isinstance(item["input"], dict) else f"{key}: {item['ctx']['error']}"
        case "literal_error":
            words = [word.strip(" '") for word in item["ctx"]["expected"].replace(" or ", ", ").split(",")]
            return f"{key}: got {item['input']!r}; allowed: {', '.join(words)}{nearest(str(item['input']), words)}"
        case _:
            return f"{key}: got {item['input']!r}; {item['msg'].replace('Input should', 'it should')}"


def _namesake(name: str, keys: list[str]) -> str:
    by_name = {key.rsplit(".", 1)[-1]: key for key in reversed(keys)}
    close = difflib.get_close_matches(name, by_name, n=1, cutoff=0.7)
    return f"; did you mean {by_name[close[0]]}?" if close else ""


def _known_keys(schema: type[BaseModel], steps: list[str], path: tuple[str, ...] = ()) -> Iterator[str]:
    """All dotted keys of a schema; names that are the user's own (a stage's) are taken from `steps`."""
    for name, field in schema.model_fields.items():
        here = (*path, name)
        yield ".".join(here)
        kinds = [field.annotation, *get_args(field.annotation)]
        inner = next((kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, BaseModel)), None)
        if get_origin(field.annotation) is dict:
            here = (*here, steps[len(here)] if tuple(steps[: len(here)]) == here and len(steps) > len(here) else "NAME")
        if inner is not None:
            yield from _known_keys(inner, steps, here)
