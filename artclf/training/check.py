"""Every mistake in a composed configuration: keys and values, options of parts, callbacks and loggers, and sizes."""

import inspect
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.utils import get_class
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from artclf.config.check import part_mistakes, schema_mistakes, validate
from artclf.config.schema import METRICS
from artclf.errors import nearest
from artclf.model.heads import HEADS
from artclf.model.losses import LOSSES
from artclf.run_folder import CONFIG_FILE
from artclf.training.limits import size_mistakes

BASES: dict[str, type] = {"callbacks": Callback, "logger": Logger}
TRUSTED = ("artclf", "lightning", "torch")  # packages whose classes a run folder may name
PATHS = ("artifact_location", "dir", "dirpath", "offline_directory", "root", "root_dir", "save_dir", "tracking_uri")
CHANGEABLE = {  # options of the two checkpoints with a fixed meaning: the best weights, and the last state
    "best": ("save_weights_only", "verbose"),
    "last": ("verbose",),
}


def mistakes(composed: DictConfig, run: Path | None = None, *, here: bool = True) -> list[str]:
    """Return a line for every mistake in a configuration.

    Args:
        composed: what Hydra composed, or config.yaml of a run folder.
        run: the run folder that it was read from, unless the user trusts it. Only classes of `TRUSTED` packages are then
            imported, and paths must be inside the folder.
        here: whether it is to run on this machine, which then needs room for it.
    """
    lines = schema_mistakes(composed)
    try:
        values: Any = OmegaConf.to_container(composed, resolve=True)
    except OmegaConfBaseException:
        return lines  # which name it already
    for group, classes, given in (("head", HEADS, "features"), ("loss", LOSSES, "pos_weight")):
        if isinstance(values.get(group), dict) and "name" in values[group]:
            lines += part_mistakes(group, values[group], classes, given)
    data = values.get("data") or {}
    if run is not None and data.get("source") == "demo" and data.get("root") and _lies_outside("root", data["root"], run):
        lines.append(f"data.root: got {data['root']}, where demo images would be drawn; {_trust_hint(run)}")
    if here and not lines:
        lines += size_mistakes(validate(composed))
    for group in BASES:
        targets = values.get(group)
        for name, target in targets.items() if isinstance(targets, dict) else ():
            if isinstance(target, dict) and isinstance(target.get("_target_"), str):
                lines += _target_mistakes(group, name, target, list(values.get("stages") or ()), run)
    return lines


def _target_mistakes(group: str, name: str, target: Mapping[str, Any], stages: list[str], run: Path | None) -> list[str]:
    """What is wrong with a callback or a logger; its options are looked at only where its class is sound."""
    key = f"{group}.{name}"
    if lines := [*_value_mistakes(key, target, run), *_class_mistakes(f"{key}._target_", target["_target_"], group, run)]:
        return lines
    kind = get_class(target["_target_"])
    parameters = inspect.signature(kind).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        unknown = target.keys() - parameters.keys() - {"_target_"}
        lines += [f"{key}.{option}: unknown key{nearest(option, parameters)}" for option in sorted(unknown)]
    if group == "callbacks" and name in CHANGEABLE and not issubclass(kind, ModelCheckpoint):
        lines.append(f"{key}._target_: got {target['_target_']}; allowed: lightning.pytorch.callbacks.ModelCheckpoint")
    elif issubclass(kind, ModelCheckpoint):
        changed = {option for option, value in target.items() if option in parameters and value != parameters[option].default}
        lines += _checkpoint_mistakes(name, target, changed, stages)
    if issubclass(kind, ModelCheckpoint | EarlyStopping) and name not in CHANGEABLE:
        lines += _monitor_mistakes(key, target)
    return lines


def _value_mistakes(key: str, target: Mapping[str, Any], run: Path | None) -> Iterator[str]:
    """Keys by which Hydra would build more than the target itself, and paths out of the run folder."""
    for path, value in _leaves(target):
        option = ".".join(path)
        if path != ("_target_",) and path[-1].startswith("_"):
            yield f"{key}.{option}: only {key} itself is built from a class; give plain values here"
        elif run is not None and _lies_outside(path[-1], value, run):
            yield f"{key}.{option}: got {value}, which lies outside of the run folder; {_trust_hint(run)}"


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The plain values in a mapping or a list, with the keys that lead to each."""
    if isinstance(value, Mapping | list):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _leaves(item, (*path, str(key)))
    else:
        yield path, value


def _class_mistakes(key: str, name: str, group: str, run: Path | None) -> list[str]:
    if run is not None and (name.split(".", maxsplit=1)[0] not in TRUSTED or "._" in name):
        return [f"{key}: got {name}, which is not of {', '.join(TRUSTED)}; {_trust_hint(run)}"]
    try:
        kind = get_class(name)
    except Exception as error:  # noqa: BLE001 (whatever importing it raises)
        return [f"{key}: got {name}, which can't be imported: {str(error).splitlines()[0]}"]
    base = BASES[group]
    return [] if issubclass(kind, base) else [f"{key}: got {name}; allowed: subclasses of lightning.pytorch's {base.__name__}"]


def _lies_outside(option: str, value: Any, run: Path) -> bool:
    """Whether an option names a place on this machine outside of the run folder."""
    if not isinstance(value, str) or re.match(r"(https?|databricks)(://|$)", value):
        return False
    place = Path(re.sub(r"^(file|sqlite):(//)?", "", value)).expanduser()
    if option not in PATHS and not place.is_absolute() and ".." not in place.parts:
        return False
    return not Path(os.path.realpath(place)).is_relative_to(os.path.realpath(run))


def _trust_hint(run: Path) -> str:
    return f"if you trust what {run / CONFIG_FILE} names, type resume.trust=true too"


def _checkpoint_mistakes(name: str, target: Mapping[str, Any], changed: set[str], stages: list[str]) -> Iterator[str]:
    """What would overwrite the best weights or last.ckpt, or write outside of the run folder."""
    key = f"callbacks.{name}"
    if "dirpath" in changed:
        yield f"{key}.dirpath: checkpoints are kept in the run folder, which hydra.run.dir=FOLDER chooses; leave it out"
    if re.search(r"[/\\]", re.sub(r"\{[^}]*\}", "", str(target.get("filename")))):
        yield f"{key}.filename: got {target['filename']!r}; allowed: a name without a folder"
    if name in CHANGEABLE:
        for option in sorted(changed - {*CHANGEABLE[name], "dirpath"}):
            yield (
                f"{key}.{option}: can't be changed: best.ckpt is the best by monitor.metric, last.ckpt the last epoch; another "
                "checkpoint is another callback: '+callbacks.NAME={_target_: lightning.pytorch.callbacks.ModelCheckpoint}'"
            )
        return
    if "save_last" in changed:
        yield f"{key}.save_last: last.ckpt is what callbacks.last keeps; leave it out"
    for stage in {f"{stage}-{target.get('filename') or name}" for stage in stages} & {*stages}:
        yield f"{key}: its file {stage}.ckpt would also be that of stage {stage}; rename one of them"


def _monitor_mistakes(key: str, target: Mapping[str, Any]) -> Iterator[str]:
    """A metric that is not logged, or that is better in the other direction."""
    metric, mode = target.get("monitor"), target.get("mode", "min")
    if metric is not None and metric not in METRICS:
        yield f"{key}.monitor: got {metric!r}; allowed: {', '.join(METRICS)}{nearest(str(metric), METRICS)}"
    elif metric is not None and mode != METRICS[metric]:
        yield f"{key}.mode: got {mode!r}; {metric} is better when it is {METRICS[metric]}imal: mode={METRICS[metric]}"
