"""Checks a composed configuration against the schema: every mistake at once, each with its key and what is allowed."""

import inspect
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ConfigDict, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from artclf.config.schema import Config
from artclf.errors import ArtclfError, nearest, shown

MISSING = {  # what to type for a section that is missing a key
    "stages": " (a stage comes whole: from conf/stages, or +finetune={1})",
    "holdout": " (type +holdout=generator, style, source or period too)",
}


def validate(composed: DictConfig) -> Config:
    """Return the typed configuration. ArtclfError, with a line for every mistake, where it is wrong."""
    if mistakes := schema_mistakes(composed):
        raise ArtclfError("\n".join(mistakes))
    return Config.model_validate(OmegaConf.to_container(composed, resolve=True))


def schema_mistakes(composed: DictConfig) -> list[str]:
    """Return a line for every mistake in a composed configuration whose interpolations can be resolved."""
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
    """Return a line for every mistake in a head or a loss: a name of `classes`, and arguments of that class.

    `given` is the argument that the code fills in and a configuration can't.
    """
    name, options = part["name"], {option: value for option, value in part.items() if option != "name"}
    if not isinstance(name, str):
        return []  # the schema says so
    if name not in classes:
        return [f"{group}.name: got {name!r}; allowed: {', '.join(classes)}{nearest(name, classes)}"]
    needed = [a.name for a in inspect.signature(classes[name]).parameters.values() if a.default is a.empty and a.name != given]
    lines = [f"{group}.{option}: is missing" for option in needed if option not in options]
    return lines + option_mistakes(group, classes[name], options, given)


def option_mistakes(key: str, kind: type, options: Mapping[str, Any], given: str = "") -> list[str]:
    """Return a line for every option that a class does not have, or that is not what its annotation says.

    `key` is that of the part in the configuration ("callbacks.best"). Where an annotation can't be resolved, any value will do.
    """
    parameters = {name: a for name, a in inspect.signature(kind).parameters.items() if name != given}
    takes_any = any(a.kind is a.VAR_KEYWORD for a in parameters.values())
    try:
        types = get_type_hints(kind.__init__, include_extras=True)  # type: ignore[misc]
    except NameError:  # a type that only type checkers import
        types = {}
    lines = []
    for name, value in options.items():
        if name not in parameters and not takes_any:
            lines.append(f"{key}.{name}: unknown key{nearest(name, parameters)}")
        elif wrong := _type_mistake(value, types.get(name, Any)):
            lines.append(f"{key}.{name}: {wrong}")
    return lines


def _type_mistake(value: Any, annotation: Any) -> str:
    """How a value differs from what an annotation allows; "" where it does not, or where that can't be told."""
    try:
        adapter = TypeAdapter(annotation, config=ConfigDict(strict=True, arbitrary_types_allowed=True, allow_inf_nan=False))
    except (PydanticSchemaGenerationError, PydanticUserError):  # which pydantic has for dataclasses as well
        fits = not isinstance(annotation, type) or isinstance(value, annotation)
        return "" if fits else f"got {shown(value)}; allowed: {annotation.__name__}"
    try:
        adapter.validate_python(tuple(value) if isinstance(value, list) and "tuple" in str(annotation).lower() else value)
    except ValidationError as error:
        return _describe(error.errors(include_url=False)[0])
    return ""


def _mistakes(schema: type[BaseModel], values: Any) -> list[str]:
    try:
        schema.model_validate(values)
    except ValidationError as error:
        return [_with_key(item, schema) for item in error.errors(include_url=False)]
    return []


def _with_key(item: Any, schema: type[BaseModel]) -> str:
    """One line for one of pydantic's errors in a whole configuration."""
    steps = [str(step) for step in item["loc"] if step != "[key]"]
    key = ".".join(steps)
    match item["type"]:
        case "extra_forbidden":
            known = [name.replace("*", steps[1]) if len(steps) > 1 else name for name in _known_keys(schema)]
            close = get_close_matches(key, known, n=1) or [name for name in known if name.rsplit(".", 1)[-1] == steps[-1]]
            return f"{key}: unknown key{f'; did you mean {close[0]}?' if close else ''}"
        case "missing":
            return f"{key}: is missing{MISSING.get(steps[0], '').format(*steps, '')}"
        case "value_error" if isinstance(item["input"], dict) and not str(item["ctx"]["error"]).startswith("got "):
            return str(item["ctx"]["error"])  # of a whole section: it names its keys itself
    return f"{key}: {_describe(item)}"


def _describe(item: Any) -> str:
    """One of pydantic's errors: what was got, and what is allowed."""
    got = item["input"]
    match item["type"]:
        case "value_error":  # raised in the schema
            return str(item["ctx"]["error"])
        case "literal_error":
            words = [word.strip(" '") for word in item["ctx"]["expected"].replace(" or ", ", ").split(",")]
            return f"got {shown(got)}; allowed: {', '.join(words)}{nearest(str(got)[:50], words)}"
    return f"got {shown(got)}; {re.sub(r'^(Input|String) should', 'it should', item['msg'])}"


def _known_keys(schema: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """All dotted keys of a schema; * stands for a name that is the user's own, such as a stage's."""
    for name, field in schema.model_fields.items():
        yield f"{prefix}{name}"
        own = "*." if "dict" in str(field.annotation) else ""
        for kind in (field.annotation, *get_args(field.annotation)):
            if inspect.isclass(kind) and issubclass(kind, BaseModel):
                yield from _known_keys(kind, f"{prefix}{name}.{own}")
