"""Every mistake in a composed configuration: keys and values, options of parts, callbacks and loggers."""

import inspect
import re
import warnings
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from artclf.config.command import PLACES
from artclf.config.schema import METRICS
from artclf.config.validate import leaves, option_mistakes, part_mistakes, schema_mistakes
from artclf.errors import nearest, reason_of, shown
from artclf.model.heads import HEADS
from artclf.model.lora import INSTALL_LORA
from artclf.model.losses import LOSSES
from artclf.run_folder import CONFIG_FILE

WITHOUT_LIMIT = ("save_top_k", "max_depth")  # options of Lightning's of which -1 stands for all
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
    stages = values.get("stages")
    for name, stage in stages.items() if isinstance(stages, dict) else ():
        if isinstance(stage, dict) and stage.get("lora_rank") and find_spec("peft") is None:
            lines.append(f"stages.{name}.lora_rank: needs peft, which is not installed; type {INSTALL_LORA}")
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
        kind = resolve_name(path) if re.fullmatch(r"\w+(\.\w+)+", path) else None
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever importing it raises)
        return [f"{key}._target_: got {path}, which can't be imported: {reason_of(error)}"]
    fixed = CHANGEABLE.get(name) if group == "callbacks" else None
    base = BASES[group] if fixed is None else ModelCheckpoint
    if not (isinstance(kind, type) and issubclass(kind, base)) or inspect.isabstract(kind):
        return [f"{key}._target_: got {path}; allowed: {base.__name__} of lightning.pytorch and its subclasses"]
    options = {option: value for option, value in target.items() if option != "_target_"}
    lines = [*option_mistakes(key, kind, options), *_number_mistakes(key, kind, options)]
    if issubclass(kind, ModelCheckpoint):
        lines += _checkpoint_mistakes(key, options, fixed)
    if issubclass(kind, ModelCheckpoint | EarlyStopping) and fixed is None:
        lines += _monitor_mistakes(key, options)
    if not lines and kind.__module__.startswith("lightning.pytorch.callbacks."):  # which do nothing yet when they are made
        try:
            with warnings.catch_warnings(action="ignore"):
                kind(**options)
        except Exception as error:  # noqa: BLE001 (whatever it raises)
            lines = [f"{key}: {kind.__name__} can't be made: {reason_of(error)}"]
    return list({line.partition(": ")[0]: line for line in lines}.values())  # the last of several about one option


def _number_mistakes(key: str, kind: type, options: Mapping[str, Any]) -> Iterator[str]:
    """Options of Lightning's that are negative, and numbers without end."""
    ours = kind.__module__.startswith("lightning.")
    for name, value in options.items():
        lowest = -1 if name in WITHOUT_LIMIT else 0
        numbers = [number for _, number in leaves(value) if isinstance(number, int | float)]
        if not all(abs(number) <= 1e38 and (number >= lowest or not ours) for number in numbers):
            yield f"{key}.{name}: got {shown(value)}; allowed: finite numbers{f' from {lowest} on' if ours else ''}"


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


def _checkpoint_mistakes(key: str, options: Mapping[str, Any], fixed: tuple[str, ...] | None) -> Iterator[str]:
    """What would overwrite the best weights or last.ckpt, or write outside of the run folder."""
    for option in options.keys() & inspect.signature(ModelCheckpoint).parameters.keys():
        if fixed is not None and option not in fixed:
            yield (
                f"{key}.{option}: can't be changed: best.ckpt is the best by monitor.metric, last.ckpt the last epoch; another "
                "checkpoint is another callback: '+callbacks.NAME={_target_: lightning.pytorch.callbacks.ModelCheckpoint}'"
            )
        elif option in ("dirpath", "save_last"):
            yield f"{key}.{option}: can't be chosen: checkpoints are in the run folder, and callbacks.last keeps last.ckpt"
        elif option == "filename" and re.search(r"[/\\]", re.sub(r"\{[^}]*\}", "", str(options[option]))):
            yield f"{key}.filename: got {options[option]!r}; allowed: a name without a folder"


def _monitor_mistakes(key: str, options: Mapping[str, Any]) -> Iterator[str]:
    """A metric that is not logged, or that is better in the other direction."""
    metric, mode = options.get("monitor"), options.get("mode", "min")
    if metric is not None and (not isinstance(metric, str) or metric not in METRICS):
        yield f"{key}.monitor: got {shown(metric)}; allowed: {', '.join(METRICS)}{nearest(str(metric)[:50], METRICS)}"
    elif metric is not None and mode != METRICS[metric]:
        yield f"{key}.mode: got {mode!r}; {metric} is better when it is {METRICS[metric]}imal: mode={METRICS[metric]}"
