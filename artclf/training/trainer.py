"""A stage's Lightning Trainer, and the callbacks and loggers that the configuration names by their class."""

import inspect
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.utils import get_class
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint, ProgressBar
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger

from artclf.config.schema import METRICS, Config, StageConfig, Target
from artclf.errors import ArtclfError, nearest
from artclf.model.checkpoint import CheckpointFiles
from artclf.training.epochs import EpochTable

KINDS: dict[str, type] = {"callbacks": Callback, "logger": Logger}
EXTRAS = {"TensorBoardLogger": "tensorboard", "WandbLogger": "wandb", "MLFlowLogger": "mlflow"}
TRUSTED = ("artclf", "lightning", "torch")  # packages whose classes a run folder may name
OWN_OPTIONS = {  # that may be changed of the two checkpoints with a fixed meaning: the best weights, and where training stood
    "best": {"monitor", "mode", "save_weights_only", "verbose"},
    "last": {"verbose"},
}
ONE_MORE = (
    "another checkpoint is a callback of its own: '+callbacks.NAME={_target_: lightning.pytorch.callbacks.ModelCheckpoint}'"
)
PATHS = ("artifact_location", "dir", "dirpath", "offline_directory", "root", "root_dir", "save_dir", "tracking_uri")


def target_mistakes(values: Mapping[str, Any], run: Path | None = None) -> list[str]:
    """Return a line for every mistake in the callbacks and loggers of a configuration.

    Args:
        values: the configuration, as plain values.
        run: the run folder that the configuration was read from. Only classes of `TRUSTED` packages are then imported, and
            paths have to lie in the folder. None: a user typed it, or trusts the folder.
    """
    lines = []
    for group, base in KINDS.items():
        targets = values.get(group)
        for name, target in targets.items() if isinstance(targets, dict) else ():
            if isinstance(target, dict) and isinstance(target.get("_target_"), str):
                key = f"{group}.{name}"
                found = list(_class_mistakes(key, target, base, run))
                if not found:
                    kind = get_class(target["_target_"])
                    found += _option_mistakes(key, target, kind)
                    if group == "callbacks":
                        found += _checkpoint_mistakes(name, target, kind, values.get("stages") or ())
                        found += _monitor_mistakes(name, target, kind, values.get("monitor") or {})
                lines += found
    return lines


def _class_mistakes(key: str, target: Mapping[str, Any], base: type, run: Path | None) -> Iterator[str]:
    """What is wrong before an option is looked at: the class, keys of Hydra's instantiate, and paths out of a run folder."""
    name = target["_target_"]
    for path, value in _leaves(target):
        option = ".".join(path)
        if path != ("_target_",) and path[-1].startswith("_"):
            yield f"{key}.{option}: only {key} itself is built from a class; give plain values here"
        elif run is not None and lies_outside(path[-1], value, run):
            yield f"{key}.{option}: got {value}, which lies outside of the run folder; {trust_hint(run)}"
    if run is not None and (name.split(".")[0] not in TRUSTED or "._" in name):
        yield f"{key}._target_: got {name}, which is not of {', '.join(TRUSTED)}; {trust_hint(run)}"
        return
    try:
        kind = get_class(name)
    except Exception as error:  # noqa: BLE001 (whatever importing it raises)
        yield f"{key}._target_: got {name}, which can't be imported: {str(error).splitlines()[0]}"
        return
    if not issubclass(kind, base):
        yield f"{key}._target_: got {name}; allowed: subclasses of lightning.pytorch's {base.__name__}"


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The plain values in a mapping or a list, with the keys that lead to each."""
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        yield path, value
    else:
        for key, item in inner:
            yield from _leaves(item, (*path, str(key)))


def lies_outside(option: str, value: Any, run: Path) -> bool:
    """Whether an option names a place on this machine outside of the run folder."""
    if not isinstance(value, str) or re.match(r"(https?|databricks)(://|$)", value):
        return False
    place = Path(re.sub(r"^(file|sqlite):(//)?", "", value)).expanduser()
    if option not in PATHS and not place.is_absolute() and ".." not in place.parts:
        return False
    return not Path(os.path.realpath(place)).is_relative_to(os.path.realpath(run))


def trust_hint(run: Path) -> str:
    """What to type where a run folder names what it may not name by itself."""
    return f"if you trust what {run / 'config.yaml'} names, type resume.trust=true too"


def _option_mistakes(key: str, target: Mapping[str, Any], kind: type) -> Iterator[str]:
    known = inspect.signature(kind).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        for option in target:
            if option != "_target_" and option not in known:
                yield f"{key}.{option}: unknown key{nearest(option, known)}"


def _checkpoint_mistakes(name: str, target: Mapping[str, Any], kind: type, stages: Iterable[str]) -> Iterator[str]:
    """What would write over the best weights or over last.ckpt, or outside of the run folder."""
    key = f"callbacks.{name}"
    if not issubclass(kind, ModelCheckpoint):
        if name in OWN_OPTIONS:
            yield f"{key}._target_: got {target['_target_']}; allowed: lightning.pytorch.callbacks.ModelCheckpoint"
        return
    defaults = inspect.signature(kind).parameters
    changed = {option for option, value in target.items() if option in defaults and value != defaults[option].default}
    if "dirpath" in changed:
        yield f"{key}.dirpath: checkpoints lie in the run folder, which hydra.run.dir=FOLDER chooses; leave it out"
    if re.search(r"[/\\]", re.sub(r"\{[^}]*\}", "", str(target.get("filename")))):
        yield f"{key}.filename: got {target['filename']!r}; allowed: a name without a folder"
    if name in OWN_OPTIONS:
        for option in sorted(changed - OWN_OPTIONS[name] - {"dirpath"}):
            yield f"{key}.{option}: can't be changed: {name}.ckpt has one meaning; {ONE_MORE}"
        return
    if "save_last" in changed:
        yield f"{key}.save_last: last.ckpt is what callbacks.last keeps; leave it out"
    for stage in {f"{stage}-{target.get('filename') or name}" for stage in stages} & {*stages}:
        yield f"{key}: {stage}.ckpt would be its file and that of stage {stage}; rename one of them"


def _monitor_mistakes(name: str, target: Mapping[str, Any], kind: type, monitor: Mapping[str, Any]) -> Iterator[str]:
    """What contradicts the one place that says what is best."""
    if not issubclass(kind, ModelCheckpoint | EarlyStopping):
        return
    key, metric, mode = f"callbacks.{name}", target.get("monitor"), target.get("mode", "min")
    if name == "best":
        for option, wanted in (("monitor", monitor.get("metric")), ("mode", monitor.get("mode"))):
            if target.get(option, wanted) != wanted:
                yield f"{key}.{option}: got {target[option]}; what is best is said by monitor.metric and monitor.mode alone"
    elif metric is not None and metric not in METRICS:
        yield f"{key}.monitor: got {metric!r}; allowed: {', '.join(METRICS)}{nearest(str(metric), METRICS)}"
    elif metric is not None and mode != METRICS[metric]:
        yield f"{key}.mode: got {mode!r}; {metric} is better when it is {METRICS[metric]}imal: mode={METRICS[metric]}"


def make_trainer(config: Config, folder: Path, name: str, stage: StageConfig | None, precision: str) -> Trainer:
    """Make the Trainer of one stage.

    Args:
        config: of the run.
        folder: the run folder.
        name: the stage's.
        stage: its settings; None for the test, which needs no callbacks but the progress bar.
        precision: what is computed in, as Lightning names it.

    Raises:
        ArtclfError: where a callback or a logger can't be made.
    """
    options = config.trainer
    callbacks = [_build_callback(config, key, folder, name, stage) for key, target in config.callbacks.items() if target]
    callbacks = [c for c in callbacks if stage or isinstance(c, ProgressBar)]
    loggers = [_build_logger(key, target, folder, name) for key, target in config.logger.items() if target and stage]
    if stage:
        stages = list(config.stages)
        epochs = EpochTable(folder / "metrics.csv", name, earlier=stages[: stages.index(name)])
        callbacks.append(epochs)
    if stage and config.pruning:
        from artclf.sweep.pruning import pruning_callback  # noqa: PLC0415 (needs the extra `sweep`)

        callbacks.append(pruning_callback(config.pruning, config.monitor.metric, epochs.epochs_before))
    if not loggers:  # it refuses to be without one; the table has the learning rate
        callbacks = [c for c in callbacks if not isinstance(c, LearningRateMonitor)]
    return Trainer(
        default_root_dir=folder,
        accelerator=options.accelerator,
        devices=options.devices,
        num_nodes=options.num_nodes,
        strategy=options.strategy,
        precision=precision,  # type: ignore[arg-type]
        max_epochs=int(stage.max_epochs) if stage else None,  # `auto` has been resolved
        callbacks=callbacks,
        logger=loggers or False,
        plugins=[CheckpointFiles()],
        enable_checkpointing=any(isinstance(c, ModelCheckpoint) for c in callbacks),
        enable_progress_bar=any(isinstance(c, ProgressBar) for c in callbacks),
        enable_model_summary=False,
        deterministic="warn" if options.deterministic else None,
        gradient_clip_val=options.gradient_clip_val,
        accumulate_grad_batches=options.accumulate_grad_batches,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # ours counts each picture once, and keeps its weights
    )


def _build_callback(config: Config, key: str, folder: Path, stage_name: str, stage: StageConfig | None) -> Any:
    target = config.callbacks[key]
    assert target is not None  # callbacks=none and callbacks.NAME=null are passed over
    kind = get_class(target.target)
    given: dict[str, Any] = {}
    if issubclass(kind, ModelCheckpoint):
        name = {"best": stage_name, "last": "last"}.get(key, f"{stage_name}-{target.options.get('filename') or key}")
        given = {
            "dirpath": folder / "checkpoints",
            "filename": name,
            "auto_insert_metric_name": False,
            "enable_version_counter": key not in OWN_OPTIONS,
            **({"monitor": config.monitor.metric, "mode": config.monitor.mode} if key == "best" else {}),
        }
    if issubclass(kind, EarlyStopping) and stage and stage.patience:
        given["patience"] = stage.patience
    return _build(f"callbacks.{key}", kind, {**target.options, **given})


def _build_logger(key: str, target: Target, folder: Path, stage: str) -> Any:
    kind = get_class(target.target)
    options = dict(target.options)
    if "save_dir" in inspect.signature(kind).parameters:
        options.setdefault("save_dir", str(folder / "mlflow" if issubclass(kind, MLFlowLogger) else folder))
    if issubclass(kind, TensorBoardLogger):
        options["version"] = stage  # else the stages' steps would overlap
    extra = EXTRAS.get(kind.__name__)
    return _build(f"logger.{key}", kind, options, f'; is it installed? type pip install -e ".[{extra}]"' if extra else "")


def _build(key: str, kind: type, options: Mapping[str, Any], hint: str = "") -> Any:
    try:
        return kind(**options)
    except Exception as error:  # whatever a class of Lightning's, or of the user's own, raises
        reason = str(error).strip() or type(error).__name__
        raise ArtclfError(f"{key}: {kind.__name__} can't be made: {reason.splitlines()[0]}{hint}") from error
