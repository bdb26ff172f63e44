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

from artclf.config.schema import METRICS, Config, Target
from artclf.errors import ArtclfError, nearest
from artclf.model.checkpoint import CheckpointFiles
from artclf.run_folder import CHECKPOINTS, CONFIG_FILE, EPOCHS_FILE
from artclf.training.epochs import EpochTable

KINDS: dict[str, type] = {"callbacks": Callback, "logger": Logger}
EXTRAS = {"TensorBoardLogger": "tensorboard", "WandbLogger": "wandb", "MLFlowLogger": "mlflow"}
TRUSTED = ("artclf", "lightning", "torch")  # packages whose classes a run folder may name
OWN_OPTIONS = {  # that may be changed of the two checkpoints with a fixed meaning: the best weights, and the last state
    "best": {"monitor", "mode", "save_weights_only", "verbose", "dirpath"},  # dirpath is refused for all of them
    "last": {"verbose", "dirpath"},
}
ONE_MORE = "another checkpoint is another callback: '+callbacks.NAME={_target_: lightning.pytorch.callbacks.ModelCheckpoint}'"
PATHS = ("artifact_location", "dir", "dirpath", "offline_directory", "root", "root_dir", "save_dir", "tracking_uri")


def target_mistakes(values: Mapping[str, Any], run: Path | None = None) -> list[str]:
    """Return a line for every mistake in the callbacks and loggers of a configuration.

    Args:
        values: the configuration, as plain values.
        run: the run folder that the configuration was read from. Only classes of `TRUSTED` packages are then imported, and
            paths must be inside the folder. None: a user typed it, or trusts the folder.
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
    if isinstance(value, Mapping | list):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _leaves(item, (*path, str(key)))
    else:
        yield path, value


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
    return f"if you trust what {run / CONFIG_FILE} names, type resume.trust=true too"


def _option_mistakes(key: str, target: Mapping[str, Any], kind: type) -> Iterator[str]:
    known = inspect.signature(kind).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        for option in target:
            if option != "_target_" and option not in known:
                yield f"{key}.{option}: unknown key{nearest(option, known)}"


def _checkpoint_mistakes(name: str, target: Mapping[str, Any], kind: type, stages: Iterable[str]) -> Iterator[str]:
    """What would overwrite the best weights or last.ckpt, or write outside of the run folder."""
    key = f"callbacks.{name}"
    if not issubclass(kind, ModelCheckpoint):
        if name in OWN_OPTIONS:
            yield f"{key}._target_: got {target['_target_']}; allowed: lightning.pytorch.callbacks.ModelCheckpoint"
        return
    defaults = inspect.signature(kind).parameters
    changed = {option for option, value in target.items() if option in defaults and value != defaults[option].default}
    if "dirpath" in changed:
        yield f"{key}.dirpath: checkpoints are kept in the run folder, which hydra.run.dir=FOLDER chooses; leave it out"
    if re.search(r"[/\\]", re.sub(r"\{[^}]*\}", "", str(target.get("filename")))):
        yield f"{key}.filename: got {target['filename']!r}; allowed: a name without a folder"
    if name in OWN_OPTIONS:
        for option in sorted(changed - OWN_OPTIONS[name]):
            yield f"{key}.{option}: can't be changed: {name}.ckpt has one meaning; {ONE_MORE}"
        return
    if "save_last" in changed:
        yield f"{key}.save_last: last.ckpt is what callbacks.last keeps; leave it out"
    for stage in {f"{stage}-{target.get('filename') or name}" for stage in stages} & {*stages}:
        yield f"{key}: its file {stage}.ckpt would also be that of stage {stage}; rename one of them"


def _monitor_mistakes(name: str, target: Mapping[str, Any], kind: type, monitor: Mapping[str, Any]) -> Iterator[str]:
    """What contradicts monitor.metric and monitor.mode, or the metric's own direction."""
    if not issubclass(kind, ModelCheckpoint | EarlyStopping):
        return
    key, metric, mode = f"callbacks.{name}", target.get("monitor"), target.get("mode", "min")
    if name == "best":
        for option, wanted in (("monitor", monitor.get("metric")), ("mode", monitor.get("mode"))):
            if target.get(option, wanted) != wanted:
                yield f"{key}.{option}: got {target[option]}; only monitor.metric and monitor.mode choose the best weights"
    elif metric is not None and metric not in METRICS:
        yield f"{key}.monitor: got {metric!r}; allowed: {', '.join(METRICS)}{nearest(str(metric), METRICS)}"
    elif metric is not None and mode != METRICS[metric]:
        yield f"{key}.mode: got {mode!r}; {metric} is better when it is {METRICS[metric]}imal: mode={METRICS[metric]}"


def make_trainer(config: Config, folder: Path, precision: str, stage: str | None) -> Trainer:
    """Make the Trainer of a stage; for the test (None), with no callbacks but the progress bar.

    Args:
        config: of the run; `auto` is resolved in its stages.
        folder: the run folder.
        precision: as Lightning names it.
        stage: the stage's name.

    Raises:
        ArtclfError: where a callback or a logger can't be made.
    """
    options = config.trainer
    callbacks = [_build_callback(config, key, target, folder, stage) for key, target in config.callbacks.items() if target]
    loggers = []
    if stage is None:
        callbacks = [callback for callback in callbacks if isinstance(callback, ProgressBar)]
    else:
        loggers = [_build_logger(key, target, folder, stage) for key, target in config.logger.items() if target]
        names = list(config.stages)
        epochs = EpochTable(folder / EPOCHS_FILE, stage, earlier=names[: names.index(stage)])
        callbacks.append(epochs)
        if config.pruning:
            from artclf.sweep.pruning import Pruning  # noqa: PLC0415 (needs the extra `sweep`)

            callbacks.append(Pruning(config.pruning, config.monitor.metric, epochs.epochs_before))
    if not loggers:  # LearningRateMonitor refuses to be without one; metrics.csv has the learning rate
        callbacks = [callback for callback in callbacks if not isinstance(callback, LearningRateMonitor)]
    return Trainer(
        default_root_dir=folder,
        accelerator=options.accelerator,
        devices=options.devices,
        num_nodes=options.num_nodes,
        strategy=options.strategy,
        precision=precision,  # type: ignore[arg-type]
        max_epochs=int(config.stages[stage].max_epochs) if stage else None,
        callbacks=callbacks,
        logger=loggers or False,
        plugins=[CheckpointFiles()],
        enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
        enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
        enable_model_summary=False,
        deterministic="warn" if options.deterministic else None,
        gradient_clip_val=options.gradient_clip_val,
        accumulate_grad_batches=options.accumulate_grad_batches,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # ours counts each image once, and keeps its weights
    )


def _build_callback(config: Config, key: str, target: Target, folder: Path, stage: str | None) -> Any:
    kind = get_class(target.target)
    options = dict(target.options)
    if issubclass(kind, ModelCheckpoint):
        options |= {
            "dirpath": folder / CHECKPOINTS,
            "filename": {"best": stage, "last": "last"}.get(key, f"{stage}-{options.get('filename') or key}"),
            "auto_insert_metric_name": False,
            "enable_version_counter": key not in OWN_OPTIONS,
        }
        if key == "best":
            options |= {"monitor": config.monitor.metric, "mode": config.monitor.mode}
    if issubclass(kind, EarlyStopping) and stage and config.stages[stage].patience:
        options["patience"] = config.stages[stage].patience
    return _build(f"callbacks.{key}", kind, options)


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
