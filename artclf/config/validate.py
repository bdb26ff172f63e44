"""Checks a composed configuration against the schema: every mistake at once, each with its key and what is allowed."""

import inspect
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError, create_model

from artclf.config.schema import Config, Section
from artclf.errors import ArtclfError, nearest, shown

MISSING = {  # what to type for a section that is missing a key
    "stages": " (a stage comes whole: from conf/stages, or +finetune={1})",
    "holdout": " (type +holdout=generator or +holdout=style too)",
}


def validate(composed: DictConfig) -> Config:
    """Return the typed configuration. ArtclfError, with a line for every mistake, where it is wrong."""
    if mistakes := schema_mistakes(composed):
        raise ArtclfError("\n".join(mistakes))
    return Config.model_validate(OmegaConf.to_container(composed, resolve=True))


def schema_mistakes(composed: DictConfig) -> list[str]:
    """Return a line for every mistake in a composed configuration: key, what was got, what is allowed, the nearest name.

    Its interpolations can be resolved (`interpolation_mistakes`).
    """
    lines = [f"{key}: has no value yet; type {key}=VALUE" for key in sorted(OmegaConf.missing_keys(composed))]
    return lines + _mistakes(Config, OmegaConf.to_container(composed, resolve=True))


def interpolation_mistakes(composed: DictConfig) -> list[str]:
    """Return a line for every ${…} that can't be resolved."""
    lines = []
    for path, value in leaves(OmegaConf.to_container(composed, resolve=False)):
        if isinstance(value, str) and "${" in value:
            key = ".".join(path)
            try:
                OmegaConf.select(composed, key)
            except OmegaConfBaseException as error:
                lines.append(f"{key}: got {shown(value)}: {str(error).splitlines()[0]}")
            except RecursionError:
                lines.append(f"{key}: got {shown(value)}, which refers to itself")
    return lines


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The plain values in a mapping or a list, with the keys that lead to each."""
    if isinstance(value, Mapping | list):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from leaves(item, (*path, str(key)))
    else:
        yield path, value


def part_mistakes(group: str, part: Mapping[str, Any], classes: Mapping[str, type], given: str) -> list[str]:
    """Return a line for every mistake in a head or a loss, whose options are the arguments of its class.

    Args:
        group: the key of the part in the configuration ("head").
        part: its name and its options.
        classes: the classes by name.
        given: the argument that the code fills in and a configuration can't.
    """
    name = part["name"]
    if not isinstance(name, str):
        return []  # the schema says so
    if name not in classes:
        return [f"{group}.name: got {name!r}; allowed: {', '.join(classes)}{nearest(str(name), classes)}"]
    arguments = inspect.signature(classes[name]).parameters.values()
    options: Any = {a.name: (a.annotation, ... if a.default is a.empty else a.default) for a in arguments if a.name != given}
    return [f"{group}.{line}" for line in _mistakes(create_model(group, __base__=Section, name=str, **options), part)]


def _mistakes(schema: type[BaseModel], values: Any) -> list[str]:
    try:
        schema.model_validate(values)
    except ValidationError as error:
        return [_describe(item, schema) for item in error.errors(include_url=False)]
    return []


def _describe(item: Any, schema: type[BaseModel]) -> str:
    """One line for one of pydantic's errors."""
    steps = [str(step) for step in item["loc"] if step != "[key]"]
    key, got = ".".join(steps), item["input"]
    match item["type"]:
        case "extra_forbidden":
            known = [name.replace("*", steps[1]) if len(steps) > 1 else name for name in _known_keys(schema)]
            close = get_close_matches(key, known, n=1) or [name for name in known if name.rsplit(".", 1)[-1] == steps[-1]]
            return f"{key}: unknown key{f'; did you mean {close[0]}?' if close else ''}"
        case "missing":
            return f"{key}: is missing{MISSING.get(steps[0], '').format(*steps, '')}"
        case "value_error":  # raised in the schema: what is wrong with a whole section names its keys itself
            whole = isinstance(got, dict) and not str(item["ctx"]["error"]).startswith("got ")
            return str(item["ctx"]["error"]) if whole else f"{key}: {item['ctx']['error']}"
        case "literal_error":
            words = [word.strip(" '") for word in item["ctx"]["expected"].replace(" or ", ", ").split(",")]
            return f"{key}: got {shown(got)}; allowed: {', '.join(words)}{nearest(str(got)[:50], words)}"
        case _:
            return f"{key}: got {shown(got)}; {re.sub(r'^(Input|String) should', 'it should', item['msg'])}"


def _known_keys(schema: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """All dotted keys of a schema; * stands for a name that is the user's own, such as a stage's."""
    for name, field in schema.model_fields.items():
        yield f"{prefix}{name}"
        own = "*." if "dict" in str(field.annotation) else ""
        for kind in (field.annotation, *get_args(field.annotation)):
            if inspect.isclass(kind) and issubclass(kind, BaseModel):
                yield from _known_keys(kind, f"{prefix}{name}.{own}")
