"""A run's network: the backbone with its weights, the head and the loss, as the configuration and the data ask for them."""

import logging
from dataclasses import replace

from artclf.config.schema import Config
from artclf.data.canonical import Canonical
from artclf.model.backbones import Backbone, build_backbone, load_weights
from artclf.model.classifier import ArtClassifier
from artclf.training.resume import Progress

log = logging.getLogger(__name__)


def load_backbone(config: Config, progress: Progress) -> Backbone:
    """The backbone with its weights; for a run that goes on, with those it began with."""
    library, name = config.model.library, config.model.name
    body = build_backbone(library, name)
    if progress.weights is None:
        return load_weights(body, library, name, config.model.weights)
    asked = {"random": "none"}.get(progress.weights, progress.weights)
    return replace(load_weights(body, library, name, asked), fallback=progress.fallback)


def build_model(config: Config, backbone: Backbone, pos_weight: float | None, canonical: Canonical | None) -> ArtClassifier:
    """The classifier that a configuration asks for.

    Args:
        config: of the run.
        backbone: from `load_backbone`.
        pos_weight: of the loss, where the balancing gives one.
        canonical: the form that pictures are brought into first; None: none.
    """
    loss = config.loss.model_dump()
    if pos_weight is not None:
        loss["pos_weight"] = pos_weight
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
        canonical=canonical.to_json() if canonical else None,
        backbone=backbone,
    )


def told_fallbacks(config: Config, backbone: Backbone, depths: dict[str, int]) -> list[str]:
    """What the run does otherwise than asked, or than wise: said in the log, and kept in metrics.json and the report."""
    lines = []
    if backbone.fallback:
        line = f"ImageNet weights of {config.model.name} can't be had ({backbone.fallback}): it starts from random weights"
        everything = [name for name, stage in config.stages.items() if stage.unfreeze == "auto"]
        lines.append(f"{line}, and stage {', '.join(everything)} trains all layers" if everything else line)
    first = next(iter(config.stages))
    if backbone.weights == "random" and depths[first] == 0:
        lines.append(
            f"stages.{first}.unfreeze=0 on random weights: a frozen random backbone learns nothing, only its head does; "
            f"stages.{first}.unfreeze=auto or all trains all layers"
        )
    for line in lines:
        log.warning("%s", line)
    return lines
