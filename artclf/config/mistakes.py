"""Every mistake in a configuration, reported at once: a line each, with the key, what was got, and what is allowed."""

import difflib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError, create_model

from artclf.config.schema import Config, Section
from artclf.errors import ArtclfError, nearest


def schema_mistakes(composed: DictConfig) -> list[str]:
    """Return a line for every mistake in a composed configuration: key, what was got, what is allowed, the nearest name."""
    missing = sorted(OmegaConf.missing_keys(composed))
    lines = [f"{key}: has no value yet; type {key}=VALUE" for key in missing]
    try:
        values = OmegaConf.to_container(composed, resolve=True)
    except OmegaConfBaseException as error:
        return [*lines, f"{error.full_key}: {str(error).splitlines()[0]}"]
    try:
        Config.model_validate(values)
    except ValidationError as error:
        items = error.errors(include_url=False)
        lines += [_line(item, Config) for item in items if ".".join(map(str, item["loc"])) not in missing]
    return lines


def validate(composed: DictConfig) -> Config:
    """Return the typed configuration.

    Raises:
        ArtclfError: with a line for every mistake.
    """
    mistakes = schema_mistakes(composed)
    if mistakes:
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
            siblings = [name for name in known_keys(schema, steps) if name.startswith(".".join(steps[:-1]))]
            return f"{key}: unknown key{nearest(key, siblings) or _namesake(steps[-1], known_keys(schema, steps))}"
        case "missing":
            hint = f" (a stage comes whole: from conf/stages, or +finetune={steps[1]})" if steps[0] == "stages" else ""
            hint = " (type +holdout=generator or +holdout=style too)" if steps[0] == "holdout" else hint
            return f"{key}: is missing{hint}"
        case "value_error":  # raised here: what is wrong with a whole section names its keys itself
            return str(item["ctx"]["error"]) if isinstance(item["input"], dict) else f"{key}: {item['ctx']['error']}"
        case "literal_error":
            words = [word.strip(" '") for word in item["ctx"]["expected"].replace(" or ", ", ").split(",")]
            return f"{key}: got {item['input']!r}; allowed: {', '.join(words)}{nearest(str(item['input']), words)}"
        case _:
            return f"{key}: got {item['input']!r}; {item['msg'].replace('Input should', 'it should')}"


def _namesake(name: str, keys: list[str]) -> str:
    by_name = {key.rsplit(".", 1)[-1]: key for key in reversed(keys)}
    close = difflib.get_close_matches(name, list(by_name), n=1, cutoff=0.7)
    return f"; did you mean {by_name[close[0]]}?" if close else ""


def known_keys(schema: type[BaseModel], steps: list[str]) -> list[str]:
    """All dotted keys of a schema; names that are the user's own (a stage's) are taken from `steps`."""

    def walk(section: type[BaseModel], path: list[str]) -> Iterator[str]:
        for name, field in section.model_fields.items():
            here = [*path, name]
            yield ".".join(here)
            kinds = [field.annotation, *get_args(field.annotation)]
            inner = next((kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, BaseModel)), None)
            if get_origin(field.annotation) is dict:
                here.append(steps[len(here)] if steps[: len(here)] == here and len(steps) > len(here) else "NAME")
            if inner is not None:
                yield from walk(inner, here)

    return list(walk(schema, []))
