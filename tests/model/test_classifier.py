from typing import Any

import pytest
import torch

from artclf.config.schema import OptimConfig, StageConfig
from artclf.model.classifier import ArtClassifier


def classifier(**options: Any) -> ArtClassifier:
    torch.manual_seed(0)
    given: dict[str, Any] = {
        "head": {"name": "linear"},
        "loss": {"name": "bce"},
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bilinear",
        "image_size": 32,
    }
    return ArtClassifier("timm", "resnet10t", **(given | options))


def stage(unfreeze: int = 0, **optim: Any) -> StageConfig:
    settings: dict[str, Any] = {"name": "adamw", "lr": 1e-3, "weight_decay": 0.1}
    return StageConfig(
        unfreeze=unfreeze, max_epochs=1, patience=None, optim=OptimConfig(**(settings | optim)), schedule="constant"
    )


def test_pixels_are_scaled_and_normalised_as_the_weights_want() -> None:
    model = classifier(mean=[0.1, 0.2, 0.3], std=[0.5, 0.6, 0.7])
    seen: list[torch.Tensor] = []
    model.body.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model.eval()(torch.full((1, 3, 32, 32), 255, dtype=torch.uint8))
    expected = torch.tensor([(1 - 0.1) / 0.5, (1 - 0.2) / 0.6, (1 - 0.3) / 0.7])
    torch.testing.assert_close(seen[0][0, :, 0, 0], expected)


def test_p_ai_is_the_complement_of_the_logit_of_human() -> None:
    model = classifier().eval()
    pixels = torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(model.p_ai(pixels), 1 - torch.sigmoid(model(pixels)))


def test_nothing_decayed_has_fewer_than_two_dimensions_and_nothing_frozen_is_in_a_group() -> None:
    model = classifier()
    model.begin(stage(), depth=5)
    decayed, plain = model.configure_optimizers().param_groups
    assert decayed["weight_decay"] == 0.1
    assert all(p.ndim >= 2 for p in decayed["params"])
    assert plain["weight_decay"] == 0.0
    assert all(p.ndim < 2 for p in plain["params"])
    in_groups = {id(p) for group in (decayed, plain) for p in group["params"]}
    assert in_groups == {id(p) for p in model.parameters() if p.requires_grad}
    assert len(in_groups) < len(list(model.parameters()))


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_every_optimiser_takes_its_settings(name: str, kind: type) -> None:
    model = classifier()
    model.begin(stage(name=name, lr=0.25), depth=0)
    optimizer = model.configure_optimizers()
    assert type(optimizer) is kind
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_the_log_line_counts_what_trains() -> None:
    model = classifier()
    model.begin(stage(), depth=0)
    features = model.head.layers[1].in_features
    assert f"2 tensors (1 with weight decay, 1 without), {features + 1:,} of" in model.what_trains()
    assert model.what_trains().startswith(f"0 of {len(model.layers)} layers and the head train")
    assert model.trainable_parameters() == features + 1


def test_frozen_means_frozen_through_a_training_epoch() -> None:
    model = classifier(head={"name": "mlp", "hidden": 8})
    model.begin(stage(), depth=0)
    before = {name: value.clone() for name, value in model.body.state_dict().items()}
    model.train()  # as a careless callback would
    model.on_train_epoch_start()
    optimizer = model.configure_optimizers()
    for _ in range(2):
        batch = (torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8), torch.tensor([0.0, 1, 0, 1]), torch.arange(4))
        _, _, loss = model._shared_step(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in model.body.state_dict().items())


def test_hyper_parameters_are_plain_values() -> None:
    def plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(isinstance(key, str) and plain(item) for key, item in value.items())
        if isinstance(value, list):
            return all(plain(item) for item in value)
        return isinstance(value, str | int | float | bool) or value is None

    assert plain(dict(classifier().hparams))


def test_logits_between_0_and_1_are_not_taken_for_probabilities() -> None:
    """0.2 is on the human side of 0; torchmetrics alone would take it for a probability of 0.2, which is AI."""
    model = classifier()
    model.log = model.log_dict = lambda *args, **kwargs: None  # type: ignore[method-assign]
    model.forward = lambda pixels: torch.tensor([0.2, 0.9])  # type: ignore[method-assign]
    batch = (torch.zeros(2, 3, 32, 32, dtype=torch.uint8), torch.ones(2), torch.arange(2))
    model.validation_step(batch, 0)
    model.training_step(batch, 0)
    assert model.val_metrics["accuracy"].compute() == 1
    assert model.train_metrics["accuracy"].compute() == 1


def test_losses_are_means_over_pictures_and_a_nan_is_seen() -> None:
    model = classifier()
    model.log = model.log_dict = lambda *args, **kwargs: None  # type: ignore[method-assign]
    for logit, count in ((2.0, 3), (-1.0, 1)):
        model.forward = lambda pixels, x=logit, n=count: torch.full((n,), x)  # type: ignore[method-assign]
        model.validation_step((torch.zeros(1), torch.ones(count), torch.arange(count)), 0)
    assert float(model.val_loss.compute()) == pytest.approx((3 * 0.126928 + 1.313262) / 4, abs=1e-5)
    model.forward = lambda pixels: torch.tensor([torch.nan])  # type: ignore[method-assign]
    model.validation_step((torch.zeros(1), torch.ones(1), torch.arange(1)), 0)
    assert model.val_loss.compute().isnan()
