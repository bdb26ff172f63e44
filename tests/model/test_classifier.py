from typing import Any

import pytest
import torch

from artclf.config.schema import OptimConfig, StageConfig
from artclf.errors import ArtclfError
from artclf.model.classifier import ArtClassifier


def classifier(**options: Any) -> ArtClassifier:
    torch.manual_seed(0)
    given: dict[str, Any] = {
        "head": {"name": "linear"},
        "loss": {"name": "bce"},
        "preprocessing": {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7], "interpolation": "bilinear", "image_size": 32},
    }
    return ArtClassifier("timm", "test_byobnet", **(given | options))


def stage(unfreeze: int = 0, **optim: Any) -> StageConfig:
    settings = OptimConfig(**{"name": "adamw", "lr": 1e-3, "weight_decay": 0.1, **optim})
    return StageConfig(unfreeze=unfreeze, max_epochs=1, patience=None, optim=settings, schedule="constant")


def test_pixels_are_scaled_and_normalised_and_a_positive_logit_means_ai() -> None:
    model = classifier()
    expected = torch.tensor([(1 - 0.1) / 0.5, (1 - 0.2) / 0.6, (1 - 0.3) / 0.7])
    torch.testing.assert_close(model.normalised(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8))[0, :, 0, 0], expected)
    pixels = torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8)
    model.begin(stage(name="sgd", lr=0.1), depth=0)
    before = model.eval().p_ai(pixels)
    torch.testing.assert_close(before, torch.sigmoid(model(pixels)).detach())
    model.loss(model(pixels), torch.ones(3)).backward()  # a step on AI images, whose target is 1, raises their p_ai
    model.configure_optimizers().step()
    assert (model.p_ai(pixels) > before).all()


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_an_optimiser_has_what_trains_and_decays_no_vectors(name: str, kind: type) -> None:
    model = classifier()
    model.begin(stage(name=name, lr=0.25), depth=5)
    optimizer = model.configure_optimizers()
    assert type(optimizer) is kind
    decayed, plain = optimizer.param_groups
    assert (decayed["weight_decay"], plain["weight_decay"], decayed["lr"]) == (0.1, 0.0, 0.25)
    assert all(p.ndim >= 2 for p in decayed["params"])
    assert all(p.ndim < 2 for p in plain["params"])
    trained = [p for p in model.parameters() if p.requires_grad]
    assert {id(p) for group in (decayed, plain) for p in group["params"]} == {id(p) for p in trained}
    assert len(trained) < len(list(model.parameters()))


@pytest.mark.parametrize(
    ("name", "batch", "rate"), [("adam", 8, 0.25), ("adam", 32, 0.25), ("adamw", 512, 1.0), ("sgd", 128, 1.0)]
)
def test_a_learning_rate_is_stated_for_steps_of_32_images(name: str, batch: int, rate: float) -> None:
    model = classifier()
    model.begin(stage(name=name, lr=0.25), depth=0, batch=batch)
    assert model.configure_optimizers().param_groups[0]["lr"] == pytest.approx(rate)


def test_frozen_means_frozen_through_a_training_epoch() -> None:
    model = classifier(head={"name": "mlp", "hidden": 8})
    model.log_dict = lambda *args, **kwargs: None  # type: ignore[method-assign]
    model.begin(stage(), depth=0)
    assert model.what_trains().startswith(
        f"0 of {len(model.layers)} layers and the head train: {model.trainable_parameters():,}"
    )
    before = {name: value.clone() for name, value in model.body.state_dict().items()}
    model.train()  # as a careless callback would
    model.on_train_epoch_start()
    optimizer = model.configure_optimizers()
    batch = (torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8), torch.tensor([0.0, 1, 0, 1]), torch.arange(4))
    for _ in range(2):
        optimizer.zero_grad()
        model.training_step(batch, 0).backward()
        optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in model.body.state_dict().items())


def test_a_stages_checkpoint_holds_what_trains_and_needs_the_same_frozen_weights() -> None:
    model = classifier()
    model.begin(stage(), depth=0)
    whole = model.state_dict()
    checkpoint: dict[str, Any] = {"state_dict": dict(whole), "hyper_parameters": dict(model.hparams)}
    model.on_save_checkpoint(checkpoint)
    assert all(not name.startswith("body.") for name in checkpoint["state_dict"])
    again = {**checkpoint, "state_dict": dict(checkpoint["state_dict"])}
    model.on_load_checkpoint(again)
    assert again["state_dict"].keys() == whole.keys()
    other = classifier()
    next(other.body.parameters()).data.add_(1)
    other.begin(stage(), depth=0)
    with pytest.raises(ArtclfError, match="no longer those with which this run began"):
        other.on_load_checkpoint(checkpoint)


def validated(model: ArtClassifier, logits: list[float], target: float = 1.0) -> dict[str, float]:
    """The validation metrics after one more batch."""
    model.log_dict = lambda *args, **kwargs: None  # type: ignore[method-assign]
    model.forward = lambda pixels: torch.tensor(logits)  # type: ignore[method-assign]
    model.validation_step((torch.zeros(1), torch.full((len(logits),), target), torch.arange(len(logits))), 0)
    return {name: float(value) for name, value in model.val_metrics.compute().items()}


def test_metrics_of_an_epoch() -> None:
    # 0.2 is on AI's side of 0; torchmetrics alone would take it for a probability
    assert validated(classifier(), [0.2, 0.9])["val/accuracy"] == 1
    model = classifier()
    validated(model, [2.0, 2.0, 2.0])
    metrics = validated(model, [-1.0])
    assert metrics["val/loss"] == pytest.approx((3 * 0.126928 + 1.313262) / 4, abs=1e-5)  # a mean over images
    assert metrics["val/auroc"] != metrics["val/auroc"]  # NaN: one class only
    assert validated(model, [-2.0], target=0.0)["val/auroc"] == 1
    assert validated(model, [float("nan")])["val/loss"] != metrics["val/loss"]  # divergence is seen
    assert model.val_metrics["loss"].compute().isnan()
