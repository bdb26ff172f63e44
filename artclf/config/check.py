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
APPENDING = (  # what Hydra says about them → what to type
    (r"Multiple values for (\w+)\.", "the experiment has one already; replace it, without the plus: {0}=NAME"),
    (r"Could not override '(\w+)'\. No match", "the experiment has none; it is appended, with a plus: +{0}=NAME"),
)
MOST_RUNS = 10_000  # of a multirun: Hydra makes the list of all of them first
LAUNCHERS = {"joblib": "joblib", "ray": "ray", "submitit_local": "slurm", "submitit_slurm": "slurm"}  # → the extra
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
            parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
            for word in words:
                parser.parse_override(word)  # its own message is clearer than that about all of them
            typed = parser.parse_overrides(words)
            chosen = {o.key_or_group: str(o.value()) for o in reversed(typed) if not o.is_delete()}
            searched, settled = search_space(_configured_space(chosen, typed), typed)
            lines = [*_sweep_mistakes(chosen, typed, words, multirun=multirun), *_setting_mistakes(searched)]
        except (HydraException, OmegaConfBaseException, ArtclfError) as error:
            return [_reason(error)]
        if lines:
            return lines
        overrides = [*settled, *searched]
        lines = [line for override in overrides for line in _group_mistakes(override, replaces="experiment" in chosen)]
        if not multirun:
            again = f"several values need a multirun: python train.py -m {' '.join(words)}"
            lines = lines or [f"{override.input_line}: {again}" for override in searched]
        if lines:
            return lines

        def check_job(job: DictConfig) -> list[str]:
            found = [*check(job), *_device_mistakes(job, searched, multirun=multirun)]
            return found + _search_mistakes(job, searched) if chosen.get("sweep") == "optuna" else found

        return _job_mistakes(overrides, check_job)


def _job_mistakes(overrides: Sequence[Override], check: Callable[[DictConfig], list[str]]) -> list[str]:
    """Check as many configurations as the longest list has values: the first of each list, the second of each, and so on."""
    values = [setting(o).ends if o.is_sweep_override() else [o.get_value_element_as_str()] for o in overrides]
    found: dict[str, None] = {}  # a dict, because it keeps the order
    refused: dict[str, None] = {}  # reported where nothing else is wrong: a new key may only lack its plus
    for number in range(max(map(len, values), default=1)):
        chosen = [(o, options[min(number, len(options) - 1)]) for o, options in zip(overrides, values, strict=True)]
        try:
            try:
                job = _compose([o.input_line if o.is_delete() else f"{o.get_key_element()}={v}" for o, v in chosen])
            except (HydraException, OmegaConfBaseException) as error:
                refused[_reason(error)] = None
                job = _compose([_admitted(o, v) for o, v in chosen])
        except (HydraException, OmegaConfBaseException) as error:
            found[_reason(error)] = None
            continue
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


def _configured_space(chosen: Mapping[str, str], typed: Sequence[Override]) -> Mapping[str, str]:
    """The search space of the configuration: key → what it may be."""
    if chosen.get("sweep") != "optuna":
        return {}
    words = ["sweep=optuna", *(str(o.input_line) for o in typed if o.key_or_group.startswith("hydra.sweeper."))]
    return dict(compose("train", overrides=words, return_hydra_config=True).hydra.sweeper.params)


def _sweep_mistakes(chosen: Mapping[str, str], typed: Sequence[Override], words: list[str], *, multirun: bool) -> list[str]:
    """What is wrong with how a sweep is asked for: without -m, without the package, without a search where it needs one."""
    lines = []
    launcher, jobs = chosen.get("hydra/launcher"), chosen.get("hydra.launcher.n_jobs", "")
    if launcher == "joblib" and jobs.isdigit() and int(jobs) > cores():
        lines.append(
            f"hydra.launcher.n_jobs={jobs}: this machine has {cores()} CPU cores; allowed: up to {cores()}, or -1 for all"
        )
    if launcher in LAUNCHERS and find_spec(f"hydra_plugins.hydra_{launcher.split('_')[0]}_launcher") is None:
        lines.append(f'hydra/launcher={launcher} is not installed; type pip install -e ".[{LAUNCHERS[launcher]}]"')
    if chosen.get("sweep") == "optuna":
        if not multirun:
            lines.append(f"sweep=optuna needs a multirun: python train.py -m {' '.join(words)}")
        if find_spec("optuna") is None:
            lines.append('sweep=optuna is not installed; type pip install -e ".[sweep]"')
    elif multirun:
        intervals = [o.input_line for o in typed if o.is_interval_sweep()]
        lines += [f"{i}: an interval needs a search: add sweep=optuna, or type values (0.1,0.2)" for i in intervals]
        swept = [o for o in typed if o.is_sweep_override() and not o.is_interval_sweep()]
        if (runs := math.prod(map(count_values, swept))) > MOST_RUNS:
            named = " ".join(str(o.input_line) for o in swept)
            lines.append(f"{named}: a multirun of {runs:,} runs; allowed: up to {MOST_RUNS:,}")
    return lines


def _setting_mistakes(searched: Sequence[Override]) -> list[str]:
    lines = []
    for override in searched:
        try:
            setting(override)
        except ArtclfError as error:
            lines.append(str(error))
    return lines


def _options(override: Override) -> list[str]:
    """The choices of an override's group; none where it is a key."""
    names = GlobalHydra.instance().config_loader().get_group_options(override.key_or_group)
    return [name for name in names if not name.startswith("_")]


def _group_mistakes(override: Override, *, replaces: bool) -> list[str]:
    """What is wrong with the choice for a group; `replaces`: whether an experiment may have appended what is chosen anew."""
    group = override.key_or_group
    options = [] if override.is_delete() or override.is_hydra_override() else _options(override)
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


def _search_mistakes(job: DictConfig, searched: Sequence[Override]) -> list[str]:
    lines = space_mistakes(searched, str(job.monitor.metric))
    if not (job.get("callbacks") or {}).get("best"):
        lines.append("callbacks.best: sweep=optuna needs it, which keeps the best weights, as callbacks=default does")
    return lines


def _device_mistakes(job: DictConfig, searched: Sequence[Override], *, multirun: bool) -> list[str]:
    """What does not go together: +holdout, a sweep, and several devices for one run."""
    lines = []
    trainer, holdout = job.get("trainer") or {}, job.get("holdout")
    each = isinstance(holdout, DictConfig) and "by" in holdout and holdout.get("leave") is None
    if each and searched:
        lines.append(
            f"+holdout={holdout.by} trains a run for each {holdout.by}, so nothing else can be swept; to sweep with one "
            f"{holdout.by} left out in all runs: holdout.leave=NAME"
        )
    elif any(override.key_or_group.split(".")[0] == "holdout" for override in searched):
        lines.append(
            "holdout can't be swept: runs are compared on the same images; without holdout.leave each is left out once"
        )
    several = [f"trainer.{key}={trainer[key]}" for key, one in ONE_DEVICE.items() if trainer.get(key, one) != one]
    if several and (each or multirun):
        lines.append(
            f"{', '.join(several)}: runs on several devices can't be swept, since every process would start the sweep again; "
            f"type the runs one by one{' with holdout.leave=NAME' if each else ' without -m'}, or sweep with one device for "
            "each run: trainer=gpu (docs/sweeps.md: several such runs at once)"
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
        lines += [_describe(item, Config) for item in items if ".".join(map(str, item["loc"])) not in missing]
    return lines


def validate(composed: DictConfig) -> Config:
    """Return the typed configuration. ArtclfError, with a line for every mistake, where it is wrong."""
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
