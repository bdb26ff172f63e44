"""Every mistake in a composed configuration: keys and values, options of parts, callbacks and loggers."""

import inspect
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, get_type_hints

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf
from pydantic import ConfigDict, ImportString, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from artclf.config.command import PLACES
from artclf.config.schema import METRICS
from artclf.config.validate import leaves, part_mistakes, schema_mistakes
from artclf.errors import nearest, shown
from artclf.model.heads import HEADS
from artclf.model.losses import LOSSES
from artclf.run_folder import CONFIG_FILE

WITHOUT_LIMIT = ("save_top_k", "max_depth")  # options of Lightning's of which -1 stands for all
_CLASS: TypeAdapter[Any] = TypeAdapter(ImportString[Any])
BASES: dict[str, type] = {"callbacks": Callback, "logger": Logger}
TRUSTED = ("artclf", "lightning", "torch")  # packages whose classes a run folder may name
CHANGEABLE = {  # options of the two checkpoints with a fixed meaning: the best weights, and the last state
    "best": ("save_weights_only", "verbose"),
    "last": ("verbose",),
}


def mistakes(composed: DictConfig, run: Path | None = None) -> list[str]:
    """Return a line for every mistake in a configuration.

    Args:
        composed: what Hydra composed, or config.yaml of a run folder.
        run: the run folder that it was read from, unless the user trusts it. It may then name only classes of `TRUSTED`
            packages, and no places.
    """
    lines = schema_mistakes(composed)
    values: Any = OmegaConf.to_container(composed, resolve=True)
    for group, classes, given in (("head", HEADS, "features"), ("loss", LOSSES, "pos_weight")):
        if isinstance(values.get(group), dict) and "name" in values[group]:
            lines += part_mistakes(group, values[group], classes, given)
    data = values.get("data") or {}
    if run is not None and data.get("source") == "demo" and data.get("root"):
        lines.append(f"data.root: got {data['root']}, where demo images would be drawn; {_trust_hint(run)}")
    for group in BASES:
        targets = values.get(group)
        for name, target in targets.items() if isinstance(targets, dict) else ():
            if isinstance(target, dict) and isinstance(target.get("_target_"), str):
                lines += _target_mistakes(group, name, target, run)
    return lines


def _target_mistakes(group: str, name: str, target: Mapping[str, Any], run: Path | None) -> list[str]:
    """What is wrong with a callback or a logger; its options are looked at only where its class is sound."""
    key, path = f"{group}.{name}", target["_target_"]
    lines = list(_value_mistakes(key, target, run))
    if run is not None and (path.split(".")[0] not in TRUSTED or "._" in path):
        lines.append(f"{key}._target_: got {path}, which is not of {', '.join(TRUSTED)}; {_trust_hint(run)}")
    if lines:
        return lines
    try:
        kind = _CLASS.validate_python(path) if re.fullmatch(r"\w+(\.\w+)+", path) else None
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever importing it raises)
        reason = str(error.errors()[0]["ctx"]["error"]) if isinstance(error, ValidationError) else str(error)
        return [f"{key}._target_: got {path}, which can't be imported: {(reason or type(error).__name__).splitlines()[0]}"]
    fixed = CHANGEABLE.get(name) if group == "callbacks" else None
    base = BASES[group] if fixed is None else ModelCheckpoint
    if not (isinstance(kind, type) and issubclass(kind, base)) or inspect.isabstract(kind):
        return [f"{key}._target_: got {path}; allowed: {base.__name__} of lightning.pytorch and its subclasses"]
    parameters = inspect.signature(kind).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        unknown = target.keys() - parameters.keys() - {"_target_"}
        lines += [f"{key}.{option}: unknown key{nearest(option, parameters)}" for option in sorted(unknown)]
    if issubclass(kind, ModelCheckpoint):
        lines += _checkpoint_mistakes(key, target, target.keys() & parameters.keys(), fixed)
    if issubclass(kind, ModelCheckpoint | EarlyStopping) and fixed is None:
        lines += _monitor_mistakes(key, target)
    return lines or _option_mistakes(key, kind, {name: value for name, value in target.items() if name != "_target_"})


def _option_mistakes(key: str, kind: type, options: Mapping[str, Any]) -> list[str]:
    """Options that are not what the class's annotations say, numbers out of bounds, and what its constructor refuses."""
    ours = kind.__module__.startswith("lightning.")
    lines = []
    for name, value in options.items():
        lowest = -1 if name in WITHOUT_LIMIT else 0
        numbers = [number for _, number in leaves(value) if isinstance(number, int | float)]
        if not all(abs(number) <= 1e38 and (number >= lowest or not ours) for number in numbers):
            lines.append(f"{key}.{name}: got {shown(value)}; allowed: finite numbers{f' from {lowest} on' if ours else ''}")
        elif not _fits(value, _annotations(kind).get(name, Any)):
            lines.append(f"{key}.{name}: got {shown(value)}; allowed: {inspect.formatannotation(_annotations(kind)[name])}")
    if not lines and kind.__module__.startswith("lightning.pytorch.callbacks."):  # which do nothing yet when they are made
        try:
            with warnings.catch_warnings(action="ignore"):
                kind(**options)
        except Exception as error:  # noqa: BLE001 (whatever it raises)
            lines = [f"{key}: {kind.__name__} can't be made: {' '.join((str(error) or type(error).__name__).split())}"]
    return lines


def _annotations(kind: type) -> dict[str, Any]:
    """The types of a constructor's arguments, as far as they can be told."""
    try:
        return get_type_hints(kind.__init__)  # type: ignore[misc]
    except NameError:  # a type that only type checkers import
        return {}


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a value is of a type; true where that can't be told."""
    try:
        adapter = TypeAdapter(annotation, config=ConfigDict(strict=True, arbitrary_types_allowed=True))
    except (PydanticSchemaGenerationError, PydanticUserError):  # which pydantic has for dataclasses as well
        return not isinstance(annotation, type) or isinstance(value, annotation)
    for form in (value, tuple(value) if isinstance(value, list) else value):  # YAML has no tuples
        with suppress(ValidationError):
            adapter.validate_python(form)
            return True
    return False


def _value_mistakes(key: str, target: Mapping[str, Any], run: Path | None) -> Iterator[str]:
    """Keys by which Hydra would build more than the target itself, and places in a folder that is not trusted."""
    for path, value in leaves(target):
        option = ".".join(path)
        if path != ("_target_",) and path[-1].startswith("_"):
            yield f"{key}.{option}: only {key} itself is built from a class; give plain values here"
        elif run is not None and isinstance(value, str) and _is_place(path[-1], value):
            yield f"{key}.{option}: got {value}, a place to write to; {_trust_hint(run)}"


def _is_place(option: str, value: str) -> bool:
    path = Path(value)
    return option in PLACES or path.is_absolute() or ".." in path.parts or value.startswith("~") or ":/" in value


def _trust_hint(run: Path) -> str:
    return f"if you trust what {run / CONFIG_FILE} names, type resume.trust=true too"


def _checkpoint_mistakes(
    key: str, target: Mapping[str, Any], options: set[str], fixed: tuple[str, ...] | None
) -> Iterator[str]:
    """What would overwrite the best weights or last.ckpt, or write outside of the run folder."""
    for option in sorted(options):
        if fixed is not None and option not in fixed:
            yield (
                f"{key}.{option}: can't be changed: best.ckpt is the best by monitor.metric, last.ckpt the last epoch; another "
                "checkpoint is another callback: '+callbacks.NAME={_target_: lightning.pytorch.callbacks.ModelCheckpoint}'"
            )
        elif option in ("dirpath", "save_last"):
            yield f"{key}.{option}: can't be chosen: checkpoints are in the run folder, and callbacks.last keeps last.ckpt"
        elif option == "filename" and re.search(r"[/\\]", re.sub(r"\{[^}]*\}", "", str(target[option]))):
            yield f"{key}.filename: got {target[option]!r}; allowed: a name without a folder"


def _monitor_mistakes(key: str, target: Mapping[str, Any]) -> Iterator[str]:
    """A metric that is not logged, or that is better in the other direction."""
    metric, mode = target.get("monitor"), target.get("mode", "min")
    if metric is not None and (not isinstance(metric, str) or metric not in METRICS):
        yield f"{key}.monitor: got {shown(metric)}; allowed: {', '.join(METRICS)}{nearest(str(metric)[:50], METRICS)}"
    elif metric is not None and mode != METRICS[metric]:
        yield f"{key}.mode: got {mode!r}; {metric} is better when it is {METRICS[metric]}imal: mode={METRICS[metric]}"
