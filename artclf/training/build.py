"""What a run is made of: data, backbone, classifier and the depth of each stage, as the configuration asks for them."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning
import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from artclf.config.check import part_mistakes, schema_mistakes, validate
from artclf.config.schema import Config
from artclf.data.module import ArtData
from artclf.errors import ArtclfError
from artclf.model.backbones import Backbone, build_backbone
from artclf.model.classifier import ArtClassifier
from artclf.model.heads import HEADS
from artclf.model.losses import LOSSES
from artclf.model.precision import resolve_precision
from artclf.run_folder import MANIFEST_FILE, write_text
from artclf.training.limits import require_memory, size_mistakes
from artclf.training.resume import Progress
from artclf.training.trainer import lies_outside, target_mistakes, trust_hint

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Built:
    """The parts of a run."""

    config: Config  # with each stage's `auto` resolved
    data: ArtData  # read, with its splits
    backbone: Backbone  # with its weights
    model: ArtClassifier
    depths: dict[str, int]  # how many layers each stage unfreezes
    precision: str  # as Lightning names it
    fallbacks: list[str]  # what differs from what was asked for


def build(config: Config, progress: Progress, folder: Path | None) -> Built:
    """Read the data and build the network of a run.

    Args:
        config: of the run.
        progress: of the run; one that continues keeps the weights and the precision that it began with.
        folder: where manifest.csv and rejected.csv are written; None: nowhere.

    Raises:
        ArtclfError: where the data, the weights or this machine can't do what is asked for.
    """
    accelerator = config.trainer.accelerator
    if accelerator == "gpu" and not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        raise ArtclfError("trainer.accelerator=gpu: there is no GPU that torch can use here; type trainer=cpu or trainer=auto")
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    backbone = _load_backbone(config, progress)
    precision = progress.precision or resolve_precision(config.trainer.precision, accelerator)
    require_memory(config, backbone, precision)
    data = ArtData(
        config.data, config.augment, config.balance.name, config.seed, backbone.interpolation, config.cache, config.holdout
    )
    data.read(folder)
    data.log_summary()
    _require_both_classes(config, data)
    if folder is not None:
        write_text(folder / MANIFEST_FILE, data.manifest.to_csv())
    model = _build_model(config, backbone, data)
    pretrained = backbone.weights != "random"
    depths = {
        name: model.layers.resolve(
            stage.unfreeze, key=f"stages.{name}.unfreeze", pretrained=pretrained, last_block=backbone.last_block
        )
        for name, stage in config.stages.items()
    }
    fallbacks = _weight_fallbacks(config, backbone, depths)
    config = _resolve_stages(config, depths, pretrained=pretrained)
    # in mixed precision Lightning can't clip what a fused optimiser may unscale itself
    model.fused = precision == "32-true" or config.trainer.gradient_clip_val is None
    # deterministic algorithms would also fill all memory before it is written to, which costs a fifth of a step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    layout = "channels-last" if config.trainer.channels_last else "channels-first"
    log.info("computing with %s precision in %s layout, %d threads on a CPU", precision, layout, torch.get_num_threads())
    return Built(config, data, backbone, model, depths, precision, fallbacks)


def mistakes(composed: DictConfig, run: Path | None = None, *, here: bool = True) -> list[str]:
    """Return a line for every mistake in a configuration: in the schema, and in the options of its parts.

    Args:
        composed: what Hydra composed, or config.yaml of a run folder.
        run: that folder, where the user has not said that they trust it.
        here: whether it is to run on this machine, which then needs room for it.
    """
    lines = schema_mistakes(composed)
    try:
        values: Any = OmegaConf.to_container(composed, resolve=True)
    except OmegaConfBaseException:
        return lines  # which name it already
    parts: Any = (("head", HEADS, {"features"}), ("loss", LOSSES, {"pos_weight"}))
    for group, classes, given in parts:
        if isinstance(values.get(group), dict) and "name" in values[group]:
            lines += part_mistakes(group, values[group], classes, given)
    data = values.get("data") or {}
    if run is not None and data.get("source") == "demo" and data.get("root") and lies_outside("root", data["root"], run):
        lines.append(f"data.root: got {data['root']}, where demo images would be drawn; {trust_hint(run)}")
    if here and not lines:
        lines += size_mistakes(validate(composed))
    return lines + target_mistakes(values, run)


def _load_backbone(config: Config, progress: Progress) -> Backbone:
    """The backbone with its weights; for a run that continues, with those it began with."""
    library, name = config.model.library, config.model.name
    if progress.weights is None:
        return build_backbone(library, name, config.model.weights)
    weights = "none" if progress.weights == "random" else progress.weights
    return replace(build_backbone(library, name, weights), fallback=progress.fallback)


def _build_model(config: Config, backbone: Backbone, data: ArtData) -> ArtClassifier:
    loss = config.loss.model_dump()
    if data.plan.pos_weight is not None:
        loss["pos_weight"] = data.plan.pos_weight
    return ArtClassifier(
        config.model.library,
        config.model.name,
        head=config.head.model_dump(),
        loss=loss,
        mean=backbone.mean,
        std=backbone.std,
        interpolation=backbone.interpolation,
        image_size=config.data.image_size,
        weights=backbone.weights,
        channels_last=config.trainer.channels_last,
        canonical=data.canonical.to_json() if data.canonical else None,
        backbone=backbone,
    )


def _weight_fallbacks(config: Config, backbone: Backbone, depths: dict[str, int]) -> list[str]:
    """Where the weights are not those asked for, or of no use: logged, and kept in metrics.json and the report."""
    lines = []
    if backbone.fallback:
        line = f"ImageNet weights of {config.model.name} can't be loaded ({backbone.fallback}): it starts from random weights"
        automatic = ", ".join(name for name, stage in config.stages.items() if stage.unfreeze == "auto")
        lines.append(f"{line}, and stage {automatic} trains all layers" if automatic else line)
    first = next(iter(config.stages))
    if backbone.weights == "random" and depths[first] == 0:
        lines.append(
            f"stages.{first}.unfreeze=0 on random weights: a frozen random backbone learns nothing, only its head does; "
            f"stages.{first}.unfreeze=auto or all trains all layers"
        )
    for line in lines:
        log.warning("%s", line)
    return lines


def _resolve_stages(config: Config, depths: dict[str, int], *, pretrained: bool) -> Config:
    """The configuration with each stage's `auto` replaced; the first stage that trains random weights gets its own recipe."""
    stages, deepest = {}, 0
    for name, stage in config.stages.items():
        from_scratch = not pretrained and depths[name] > deepest
        deepest = max(deepest, depths[name])
        stages[name] = stage.resolved(from_scratch=from_scratch)
        if from_scratch and stages[name] != stage:
            settings = (name, stages[name].schedule, stages[name].max_epochs, stages[name].patience)
            log.info("stage %s trains random weights, with its own recipe: schedule=%s max_epochs=%s patience=%s", *settings)
    return config.model_copy(update={"stages": stages})


def _require_both_classes(config: Config, data: ArtData) -> None:
    """Refuse to monitor val/auroc where the validation images are of one class."""
    labels = data.manifest.split("val")["label"].unique()
    monitors = {f"callbacks.{name}.monitor": c.options.get("monitor") for name, c in config.callbacks.items() if c}
    asking = [key for key, metric in {"monitor.metric": config.monitor.metric, **monitors}.items() if metric == "val/auroc"]
    if asking and len(labels) < 2:
        raise ArtclfError(
            f"{', '.join(asking)}: got val/auroc, but the val split holds {' and '.join(labels)} images alone, for which there "
            "is no AUROC; choose val/loss, or give val images of both classes"
        )
