"""Every mistake in what was typed after `train.py`, reported at once, before anything is made.

Hydra refuses an unknown key when it composes, and stops at the first. So the same words are composed here with every key
admitted, and the outcome is checked against the schema: a line for each mistake, with key, what was got, and what is allowed.
"""

import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

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
MOST_RUNS = 10_000  # of a multirun: Hydra makes the list of all of them first
NEEDED = {  # (group, choice) → the module that it needs, and the extra that brings it
    ("sweep", "optuna"): ("optuna", "sweep"),
    ("hydra/launcher", "joblib"): ("hydra_plugins.hydra_joblib_launcher", "joblib"),
    ("hydra/launcher", "ray"): ("hydra_plugins.hydra_ray_launcher", "ray"),
    ("hydra/launcher", "submitit_local"): ("hydra_plugins.hydra_submitit_launcher", "slurm"),
    ("hydra/launcher", "submitit_slurm"): ("hydra_plugins.hydra_submitit_launcher", "slurm"),
}
ONE_DEVICE = {"strategy": "auto", "devices": 1, "num_nodes": 1}
MISSING = {  # what to type for a section that is missing a key
    "stages": " (a stage comes whole: from conf/stages, or +finetune={1})",
    "holdout": " (type +holdout=generator or +holdout=style too)",
}


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
            typed = _parse(words)
            chosen = {override.key_or_group: str(override.value()) for override in typed if not override.is_delete()}
            swept, fixed = search_space(_configured_space(chosen, typed), typed)
            lines = [*_sweep_mistakes(chosen, typed, words, multirun=multirun)]
        except (HydraException, OmegaConfBaseException, ArtclfError) as error:
            return [_reason(error)]
        values: list[tuple[Override, list[str]]] = [(o, [o.get_value_element_as_str()]) for o in fixed]
        for override in swept:
            try:
                values.append((override, setting(override).ends))
            except ArtclfError as error:
                lines.append(str(error))
        if lines:
            return lines
        lines = [line for override, own in values for line in _group_mistakes(override, own, chosen)]
        if swept and not multirun and not lines:
            named = ", ".join(str(override.input_line) for override in swept)
            lines = [f"{named}: several values need a multirun: python train.py -m {' '.join(words)}"]
        if lines:
            return lines

        def check_job(job: DictConfig) -> list[str]:
            found = [*check(job), *_job_mistakes(job, swept, multirun=multirun)]
            if chosen.get("sweep") == "optuna":
                found += space_mistakes(swept, str(job.monitor.metric))
                if not (job.get("callbacks") or {}).get("best"):
                    found.append(
                        "callbacks.best: sweep=optuna needs it, which keeps the best weights, as callbacks=default does"
                    )
            return found

        return _check_jobs(values, check_job)


def leaves_each_out(job: DictConfig) -> bool:
    """Whether +holdout trains a run for each generator or style, since holdout.leave names none."""
    holdout = job.get("holdout")
    return isinstance(holdout, DictConfig) and "by" in holdout and holdout.get("leave") is None


def _parse(words: list[str]) -> list[Override]:
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    for word in words:
        parser.parse_override(word)  # its own message is clearer than that about all of them
    return parser.parse_overrides(words)


def _configured_space(chosen: Mapping[str, str], typed: Sequence[Override]) -> Mapping[str, str]:
    """The search space of the configuration: key → what it may be."""
    if chosen.get("sweep") != "optuna":
        return {}
    words = ["sweep=optuna", *(str(o.input_line) for o in typed if o.key_or_group.startswith("hydra.sweeper."))]
    return dict(compose("train", overrides=words, return_hydra_config=True).hydra.sweeper.params)


def _sweep_mistakes(chosen: Mapping[str, str], typed: Sequence[Override], words: list[str], *, multirun: bool) -> Iterator[str]:
    """What a sweep lacks: a package, the flag -m, a search for its intervals, or a bearable number of runs and processes."""
    for (group, name), (module, extra) in NEEDED.items():
        if chosen.get(group) == name and find_spec(module) is None:
            yield f'{group}={name} is not installed; type pip install -e ".[{extra}]"'
    jobs = chosen.get("hydra.launcher.n_jobs", "")
    if chosen.get("hydra/launcher") == "joblib" and jobs.isdigit() and int(jobs) > cores():
        yield f"hydra.launcher.n_jobs={jobs}: allowed on this machine: up to {cores()}, one for each CPU core, or -1 for all"
    if chosen.get("sweep") == "optuna":
        if not multirun:
            yield f"sweep=optuna needs a multirun: python train.py -m {' '.join(words)}"
    elif multirun:
        swept = [override for override in typed if override.is_sweep_override()]
        for interval in [override for override in swept if override.is_interval_sweep()]:
            yield f"{interval.input_line}: an interval needs a search: add sweep=optuna, or type values (0.1,0.2)"
        lists = [override for override in swept if not override.is_interval_sweep()]
        if (runs := math.prod(map(count_values, lists))) > MOST_RUNS:
            named = " ".join(str(override.input_line) for override in lists)
            yield f"{named}: a multirun of {runs:,} runs; allowed: up to {MOST_RUNS:,}"


def _group_mistakes(override: Override, values: list[str], chosen: Mapping[str, str]) -> list[str]:
    """What is wrong with the choice for a group; an experiment may have appended what is chosen anew."""
    group, word, value = override.key_or_group, override.input_line, override.value()
    options = [] if override.is_delete() or override.is_hydra_override() else _options(override)
    if not options:
        return []
    if group in APPENDED and not override.is_add() and "experiment" not in chosen:
        return [f"{word}: {group} is appended, with a plus: +{word}"]
    if group not in APPENDED and override.is_add():
        return [f"{word}: {group} has a choice already; change it without the plus"]
    if group == "holdout" and isinstance(value, list):
        return [f"{word}: one at a time is left out: +holdout={' or +holdout='.join(options)}"]
    names = list(map(str, value)) if isinstance(value, list) else values
    allowed = ", ".join(options)
    return [f"{group}: got {name!r}; allowed: {allowed}{nearest(name, options)}" for name in names if name not in options]


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
        try:
            try:
                job = _compose([o.input_line if o.is_delete() else f"{o.get_key_element()}={v}" for o, v in chosen])
            except (HydraException, OmegaConfBaseException) as error:
                refused[_reason(error)] = None
                job = _compose([_admitted(override, value) for override, value in chosen])
        except (HydraException, OmegaConfBaseException) as error:
            found[_reason(error)] = None
        else:
            found.update(dict.fromkeys(check(job)))
    return list(found or refused)


def _compose(words: Sequence[str | None]) -> DictConfig:
    """What Hydra composes, without its own part, which ${hydra:…} refers to."""
    composed = compose("train", overrides=list(map(str, words)), return_hydra_config=True)
    with open_dict(composed):
        composed.hydra.runtime.output_dir = composed.hydra.run.dir  # known only once a run has begun
        HydraConfig.instance().set_config(composed)
        return OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])


def _admitted(override: Override, value: str) -> str:
    """An override with one of its values, whose key is admitted even where it is new."""
    if override.is_delete():
        return str(override.input_line)
    key = override.get_key_element()
    return f"{key}={value}" if override.is_hydra_override() or _options(override) else f"++{key.lstrip('+')}={value}"


def _reason(error: Exception) -> str:
    """One line of Hydra's: what is wrong, with the cause that "Error merging override" hides, or what to type instead."""
    first, *more = str(error).splitlines()
    appended = "|".join(APPENDED)
    if group := re.match(rf"Multiple values for ({appended})\.", first):
        return f"{group[1]}: the experiment has one already; replace it, without the plus: {group[1]}=NAME"
    if group := re.match(rf"Could not override '({appended})'\. No match", first):
        return f"{group[1]}: the experiment has none; it is appended, with a plus: +{group[1]}=NAME"
    if first.startswith("Error merging override") and error.__cause__:
        return f"{first}: {str(error.__cause__).splitlines()[0]}"
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
            "type the runs one by one, without -m (with +holdout: each with its holdout.leave=NAME), or sweep with one device "
            "for each run: trainer=gpu (docs/sweeps.md: several such runs at once)"
        )


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
        lines += [_describe(item, Config) for item in items if ".".join(map(str, item["loc"])) not in missing]
    return lines


def validate(composed: DictConfig) -> Config:
    """Return the typed configuration. ArtclfError, with a line for every mistake, where it is wrong."""
    if mistakes := schema_mistakes(composed):
        raise ArtclfError("\n".join(mistakes))
    return Config.model_validate(OmegaConf.to_container(composed, resolve=True))


def part_mistakes(group: str, part: Mapping[str, Any], classes: Mapping[str, type], given: str) -> list[str]:
    """Return a line for every mistake in a head or a loss.

    Args:
        group: the key of the part in the configuration ("head").
        part: its name and its options.
        classes: the classes by name; an option is an argument of the constructor.
        given: the argument that the code fills in and a configuration can't.
    """
    name = part["name"]
    if name not in classes:
        return [f"{group}.name: got {name!r}; allowed: {', '.join(classes)}{nearest(str(name), classes)}"]
    arguments: dict[str, Any] = {
        argument: (parameter.annotation, ... if parameter.default is parameter.empty else parameter.default)
        for argument, parameter in inspect.signature(classes[name]).parameters.items()
        if argument != given
    }
    schema = create_model("Options", __base__=Section, name=(str, ...), **arguments)
    try:
        schema.model_validate(part)
    except ValidationError as error:
        return [f"{group}.{_describe(item, schema)}" for item in error.errors(include_url=False)]
    return []


def _describe(item: Any, schema: type[BaseModel]) -> str:
    """One line for one of pydantic's errors."""
    steps = [str(step) for step in item["loc"] if step != "[key]"]
    key = ".".join(steps)
    match item["type"]:
        case "extra_forbidden":
            known = [name.replace("*", steps[1]) if len(steps) > 1 else name for name in _known_keys(schema)]
            close = get_close_matches(key, known, n=1) or [name for name in known if name.rsplit(".", 1)[-1] == steps[-1]]
            return f"{key}: unknown key{f'; did you mean {close[0]}?' if close else ''}"
        case "missing":
            return f"{key}: is missing{MISSING.get(steps[0], '').format(*steps, '')}"
        case "value_error":  # raised in the schema: what is wrong with a whole section names its keys itself
            return str(item["ctx"]["error"]) if isinstance(item["input"], dict) else f"{key}: {item['ctx']['error']}"
        case "literal_error":
            words = [word.strip(" '") for word in item["ctx"]["expected"].replace(" or ", ", ").split(",")]
            return f"{key}: got {item['input']!r}; allowed: {', '.join(words)}{nearest(str(item['input']), words)}"
        case _:
            return f"{key}: got {item['input']!r}; {re.sub(r'^(Input|String) should', 'it should', item['msg'])}"


def _known_keys(schema: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """All dotted keys of a schema; * stands for a name that is the user's own, such as a stage's."""
    for name, field in schema.model_fields.items():
        yield f"{prefix}{name}"
        own = "*." if "dict" in str(field.annotation) else ""
        for kind in (field.annotation, *get_args(field.annotation)):
            if inspect.isclass(kind) and issubclass(kind, BaseModel):
                yield from _known_keys(kind, f"{prefix}{name}.{own}")
