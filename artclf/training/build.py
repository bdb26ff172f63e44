"""The parts of a run: data, backbone, classifier and the depth of each stage, as the configuration asks for them."""

import logging
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import lightning
import torch

from artclf.config.schema import Config
from artclf.data.module import ArtData
from artclf.data.sources import require_source
from artclf.errors import ArtclfError
from artclf.evaluation.guarantees import describe_gaps
from artclf.model.backbones import Backbone, build_backbone
from artclf.model.classifier import ArtClassifier
from artclf.model.heads import HEADS
from artclf.model.precision import resolve_precision
from artclf.run_folder import MANIFEST_FILE, write_text
from artclf.runtime import is_main_process, versions
from artclf.training.limits import require_batch, require_memory
from artclf.training.resume import Progress

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Built:
    """The parts of a run."""

    config: Config  # with the `auto` of image_size and of each stage resolved
    progress: Progress  # with what a later process needs to build the same parts
    data: ArtData  # read, with its splits
    model: ArtClassifier
    depths: dict[str, int]  # how many layers each stage unfreezes
    precision: str  # as Lightning names it
    fallbacks: list[str]  # what differs from what was asked for


def build(config: Config, progress: Progress, folder: Path) -> Built:
    """Read the data, build the network, and write manifest.csv (and rejected.csv) into the run folder.

    A run that continues keeps the weights and the precision that it began with.

    Raises:
        ArtclfError: where the data, the weights or this machine can't do what is asked for.
    """
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    require_source(config.data)
    backbone = _load_backbone(config, progress)
    precision = progress.precision or resolve_precision(config.trainer.precision, config.trainer.accelerator)
    config = config.model_copy(update={"data": config.data.model_copy(update={"image_size": backbone.image_size})})
    require_memory(config, backbone, precision)
    require_batch(config, backbone)
    backbone = replace(backbone, body=deepcopy(backbone.body))  # of a multirun's jobs, each trains its own
    data = ArtData(config, backbone.interpolation)
    data.read(folder if is_main_process() else None)
    data.log_summary()
    labels = data.manifest.split("val")["label"].unique()
    if config.monitor.metric == "val/auroc" and len(labels) < 2:
        raise ArtclfError(
            f"monitor.metric: got val/auroc, but the val split holds only {' and '.join(labels)} images, which have no "
            "AUROC; choose val/loss, or give val images of both classes"
        )
    if is_main_process():
        write_text(folder / MANIFEST_FILE, data.manifest.to_csv())
    model = _build_model(config, backbone, data)
    depths = {
        name: model.layers.resolve(stage.unfreeze, backbone, f"stages.{name}.unfreeze") for name, stage in config.stages.items()
    }
    for name, stage in config.stages.items():
        if stage.lora_rank:
            model.lora_layers(depths[name])  # an error now, and not after the stages before
    fallbacks = [*_weight_fallbacks(config, backbone, depths), *progress.changes(data.manifest.sha256, versions(), folder)]
    fallbacks += describe_gaps(data.manifest.split("train"), data.manifest.split("val"))
    for line in fallbacks:
        log.warning("%s", line)
    # in mixed precision Lightning can't clip what a fused optimiser may unscale itself
    model.fused = precision == "32-true" or config.trainer.gradient_clip_val is None
    # deterministic algorithms would also fill all memory before it is written to, which costs a fifth of a step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    layout = "channels-last" if config.trainer.channels_last else "channels-first"
    log.info("computing with %s precision in %s layout, %d threads on a CPU", precision, layout, torch.get_num_threads())
    progress = replace(
        progress,
        weights=backbone.weights,
        fallback=backbone.fallback,
        precision=precision,
        manifest_sha256=data.manifest.sha256,
        versions=progress.versions or versions(),
    )
    config = _resolve_stages(config, depths, pretrained=backbone.weights != "random")
    return Built(config, progress, data, model, depths, precision, fallbacks)


def _load_backbone(config: Config, progress: Progress) -> Backbone:
    """The backbone with its weights, which the next run shares; for a run that continues, with those it began with."""
    weights = {None: config.model.weights, "random": "none"}.get(progress.weights, progress.weights)
    file = Path(str(weights)).expanduser()
    changed = file.stat().st_mtime if file.is_file() else None
    size = None if config.data.image_size == "auto" else int(config.data.image_size)
    pooled = not HEADS[config.head.name].of_patches
    wanted = (config.model.library, config.model.name, str(weights), size, pooled)
    backbone, random = _seeded_backbone(wanted, config.seed, changed)
    torch.set_rng_state(random)
    shown = config.model.model_dump(include={"mean", "std", "interpolation"}, exclude_none=True)
    backbone = replace(backbone, **shown)
    return backbone if progress.weights is None else replace(backbone, fallback=progress.fallback)


@lru_cache(maxsize=1)  # most runs of a multirun begin with the same one
def _seeded_backbone(
    wanted: tuple[str, str, str, int | None, bool],
    seed: int,
    changed: float | None,  # noqa: ARG001 (when a file of weights was)
) -> tuple[Backbone, torch.Tensor]:
    """A backbone built from a seed, and the state of torch's random numbers after that."""
    torch.manual_seed(seed)
    library, name, weights, size, pooled = wanted
    return build_backbone(library, name, weights, size, pooled=pooled), torch.get_rng_state()


def _build_model(config: Config, backbone: Backbone, data: ArtData) -> ArtClassifier:
    loss = config.loss.model_dump()
    if data.plan.pos_weight is not None:
        loss["pos_weight"] = data.plan.pos_weight
    return ArtClassifier(
        config.model.library,
        config.model.name,
        head=config.head.model_dump(),
        loss=loss,
        preprocessing={
            "mean": backbone.mean,
            "std": backbone.std,
            "interpolation": backbone.interpolation,
            "image_size": backbone.image_size,
            "canonical": data.canonical.to_json() if data.canonical else None,
        },
        weights=backbone.weights,
        channels_last=config.trainer.channels_last,
        backbone=backbone,
    )


def _weight_fallbacks(config: Config, backbone: Backbone, depths: dict[str, int]) -> list[str]:
    """Where the weights are not those asked for, or of no use."""
    lines = []
    if backbone.fallback:
        line = f"published weights of {config.model.name} can't be loaded ({backbone.fallback}): it starts from random weights"
        automatic = ", ".join(name for name, stage in config.stages.items() if stage.unfreeze == "auto")
        lines.append(f"{line}, and stage {automatic} trains all layers" if automatic else line)
    first = next(iter(config.stages))
    if backbone.weights == "random" and depths[first] == 0:
        lines.append(
            f"stages.{first}.unfreeze=0 on random weights: a frozen random backbone learns nothing, only its head does; "
            f"stages.{first}.unfreeze=auto or all trains all layers"
        )
    return lines


def _resolve_stages(config: Config, depths: dict[str, int], *, pretrained: bool) -> Config:
    """The configuration with each stage's `auto` replaced, except that of `unfreeze`.

    The first stage that trains random weights gets a learning rate that warms up and falls until the last epoch, which early
    stopping would cut short.
    """
    stages, deepest = {}, 0
    for name, stage in config.stages.items():
        from_scratch = not pretrained and depths[name] > deepest
        deepest = max(deepest, depths[name])
        max_epochs = (8 if from_scratch else 10) if stage.max_epochs == "auto" else stage.max_epochs
        recipe = {
            "schedule": "onecycle" if from_scratch else "cosine",
            "max_epochs": max_epochs,
            "patience": max_epochs if from_scratch else None,
        }
        changed = {key: value for key, value in recipe.items() if getattr(stage, key) == "auto"}
        stages[name] = new = stage.model_copy(update=changed)
        if from_scratch and changed:
            settings = " ".join(f"{key}={getattr(new, key)}" for key in recipe)
            log.info("stage %s trains random weights, with its own recipe: %s", name, settings)
    return config.model_copy(update={"stages": stages})
