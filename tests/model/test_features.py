from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer

from artclf.cache import array_store
from artclf.cache.array_store import StoreError
from artclf.cache.folder import entries
from artclf.config.schema import StageConfig
from artclf.data.module import ArtData
from artclf.model import features as module
from artclf.model.backbones import build_backbone
from artclf.model.classifier import ArtClassifier
from artclf.model.features import FeatureCache, Format
from tests.conftest import TINY, config_of

pytestmark = pytest.mark.filterwarnings("default")  # Lightning's, of few workers and short epochs

STAGE: dict[str, Any] = {"max_epochs": 2, "patience": None, "schedule": "constant"}
# small steps: on maps of one pixel, batch normalisation makes some 1e8 times as much of a difference in the last digit
SGD = {"name": "sgd", "lr": 1e-4, "weight_decay": 0.0}


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTCLF_CACHE", str(tmp_path / "cache"))


def art_data(root: Path, *words: str) -> ArtData:
    config = config_of("data=folder", f"data.root={root}", *TINY, *words)
    data = ArtData(config.data, config.augment, config.balance.name, config.seed, cache=config.cache)
    data.read()
    return data


def classifier(name: str, seed: int = 0) -> ArtClassifier:
    torch.manual_seed(seed)
    library = "timm" if name == "efficientnet_lite0" else "torchvision"
    backbone = build_backbone(library, name)
    settle(backbone.body)
    head = {"name": "mlp", "hidden": 16, "dropout": 0.5}
    return ArtClassifier(library, name, head, {"name": "bce"}, backbone.mean, backbone.std, "bilinear", 32, backbone=backbone)


def settle(body: torch.nn.Module) -> None:
    """Give batch normalisation the statistics of some pictures: else the outputs of random layers explode."""
    norms = [module for module in body.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum, norm.kept = 1.0, norm.momentum  # type: ignore[assignment]
    with torch.no_grad():
        body.train()(torch.randn(16, 3, 32, 32))
    for norm in norms:
        norm.momentum = norm.kept  # type: ignore[assignment]


def trainer_of(precision: str = "32-true", epochs: int = 2) -> Trainer:
    return Trainer(
        accelerator="cpu",
        precision=precision,  # type: ignore[arg-type]
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def fitted(
    root: Path, name: str, depth: int, *words: str, precision: str = "32-true"
) -> tuple[ArtClassifier, dict[str, float], ArtData]:
    """A stage, fitted as a run fits it, and what it tests."""
    data, model = art_data(root, *words), classifier(name)
    model.double() if precision == "64-true" else model.float()
    config = config_of(*words)
    frozen, trainer = FeatureCache(model, data, config.cache), trainer_of(precision)
    lightning.seed_everything(3, verbose=False)
    model.begin(StageConfig(unfreeze=depth, optim=SGD, **STAGE), depth, seed=3)
    frozen.prepare("head", depth, trainer)
    trainer.fit(model, datamodule=data)
    figures = {key: float(value) for key, value in trainer.callback_metrics.items()}
    frozen.offer(depth, trainer)
    trainer.test(model, datamodule=data, verbose=False)
    return model, figures, data


def p_ai(model: ArtClassifier) -> torch.Tensor:
    return model.tested()[1]


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("efficientnet_lite0", 0),
        ("efficientnet_lite0", 10),
        pytest.param("efficientnet_b0", 25, marks=pytest.mark.slow),
        pytest.param("resnet50", 10, marks=pytest.mark.slow),
    ],
)
def test_training_on_what_is_kept_is_training_on_pictures(pictures: Path, name: str, depth: int) -> None:
    """Batch normalisation (frozen and trained) and dropout included. In 64 bits, in which nothing but rounding may differ."""
    kept, figures, data = fitted(pictures, name, depth, precision="64-true")
    assert set(data.stand_ins) == {"test", "val", "unseen"}  # those offered to the test
    whole, expected, _ = fitted(pictures, name, depth, "cache.prefix=false", precision="64-true")
    assert figures == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(p_ai(kept), p_ai(whole), atol=1e-6, rtol=0)
    start = classifier(name).double().state_dict()
    moved = [key for key, value in whole.state_dict().items() if not torch.equal(value, start[key])]
    assert any("running_mean" in key for key in moved)
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(kept.state_dict()[key], value, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("depth", [0, 10])
def test_16_bits_are_kept_as_they_were_computed(pictures: Path, depth: int) -> None:
    """In bf16 what crosses is bf16 already: keeping it loses nothing, and the results are the same bit for bit."""
    kept, figures, data = fitted(pictures, "efficientnet_lite0", depth, precision="bf16-mixed")
    assert data.stand_ins["test"].form.dtype == "bfloat16"  # type: ignore[attr-defined]
    whole, expected, _ = fitted(pictures, "efficientnet_lite0", depth, "cache.prefix=false", precision="bf16-mixed")
    assert figures == expected
    assert torch.equal(p_ai(kept), p_ai(whole))


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each batch of the prefix is given."""
    found: list[int] = []
    run = FeatureCache._run

    def counted(self: FeatureCache, prefix: Callable[..., Any], pixels: torch.Tensor, trainer: Trainer) -> Any:
        found.append(len(pixels))
        return run(self, prefix, pixels, trainer)

    monkeypatch.setattr(FeatureCache, "_run", counted)
    return found


def test_a_second_run_computes_nothing(pictures: Path, passes: list[int]) -> None:
    first, *_ = fitted(pictures, "efficientnet_lite0", 10)
    assert passes == [2, 32, 32]  # a few to see the output's format, and 63 items
    passes.clear()
    again, *_ = fitted(pictures, "efficientnet_lite0", 10)
    assert passes == []
    assert torch.equal(p_ai(first), p_ai(again))


def test_other_weights_seeds_and_precisions_share_only_what_is_the_same(pictures: Path, passes: list[int]) -> None:
    def prepared(seed: int, precision: str, *words: str) -> int:
        passes.clear()
        data, model = art_data(pictures, *words), classifier("efficientnet_lite0", seed)
        FeatureCache(model, data, config_of(*words).cache).prepare("head", 0, trainer_of(precision))
        return sum(passes)

    assert prepared(0, "32-true") == 66
    assert prepared(0, "32-true") == 0
    assert prepared(0, "32-true", "seed=1") == 32  # other copies of the smaller class; the pictures themselves are the same
    assert prepared(0, "32-true", "balance=none") == 0
    assert prepared(0, "bf16-mixed") == 66
    assert prepared(1, "32-true") == 66


def test_a_head_whose_run_goes_on_is_given_what_the_deeper_pass_leads_to(pictures: Path, passes: list[int]) -> None:
    """One pass for both stages, and the features are those of a pass of their own."""
    data, model, trainer = art_data(pictures), classifier("resnet50").double(), trainer_of("64-true")
    frozen = FeatureCache(model, data, config_of().cache)
    model.begin(StageConfig(unfreeze=0, optim=SGD, **STAGE), 0)
    frozen.prepare("head", 0, trainer, later=[10])
    assert passes == [2, 32, 32, 2]  # two batches, and a few to see each output's format
    features = [batch[0] for batch in data.loader("val")]
    frozen.prepare("last10", 10, trainer)
    assert len(passes) == 4
    model.eval()
    inputs, _, rows = next(iter(data.loader("val")))
    expected = [model.body(model.normalised(data.dataset("val")[i][0][None]))[0] for i in range(len(rows))]
    torch.testing.assert_close(torch.cat(features), torch.stack(expected))
    torch.testing.assert_close(model.tail(inputs), torch.stack(expected))


def test_training_that_alters_every_picture_anew_keeps_what_is_evaluated_alone(pictures: Path) -> None:
    data, model = art_data(pictures, "augment=strong"), classifier("efficientnet_lite0")
    FeatureCache(model, data, config_of().cache).prepare("head", 0, trainer_of())
    assert set(data.stand_ins) == {"val", "test", "unseen"}
    model.begin(StageConfig(unfreeze=0, optim=SGD, **STAGE), 0)
    trainer_of(epochs=1).fit(model, datamodule=data)  # pixels to train on, outputs to validate on
    assert all(parameter.grad is None for parameter in model.body.parameters())


def test_a_stage_whose_frozen_layers_were_trained_leaves_nothing_behind(pictures: Path) -> None:
    data, model = art_data(pictures), classifier("efficientnet_lite0")
    frozen = FeatureCache(model, data, config_of().cache)
    frozen.prepare("one", 25, trainer_of())
    frozen.prepare("two", 10, trainer_of(), trained=25)
    assert len([entry for entry in entries() if entry.kind == "prefix"]) == 2
    frozen.close()
    kept = [entry.what for entry in entries() if entry.kind == "prefix"]
    assert kept == ["efficientnet_lite0 without its last 25 layers"]


def full(folder: Path) -> Any:
    raise StoreError("/cache: the disk is full; artclf cache clear makes room")


def test_without_a_disk_outputs_are_kept_in_memory_and_it_is_said(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, *_ = fitted(pictures, "efficientnet_lite0", 0)
    data = art_data(pictures)
    with monkeypatch.context() as patch:
        patch.setattr(array_store, "_locked", full)
        monkeypatch.setenv("ARTCLF_CACHE", str(Path("/nowhere")))
        model, _, data = fitted(pictures, "efficientnet_lite0", 0, "cache.pixels=false")
    assert torch.equal(p_ai(model), p_ai(expected))
    assert len(data.fallbacks) == 1
    assert "kept in memory, for this run alone" in data.fallbacks[0]
    assert "the disk is full" in data.fallbacks[0]


def test_what_neither_disk_nor_memory_can_hold_is_computed_in_each_step(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MEMORY_SHARE", 0.0)
    words = ("cache.max_gb=1e-4", "cache.pixels=false")
    data, model = art_data(pictures, *words), classifier("efficientnet_lite0")
    FeatureCache(model, data, config_of(*words).cache).prepare("head", 0, trainer_of())
    assert data.stand_ins == {}
    assert "stage head: its frozen layers are computed again in every step" in data.fallbacks[0]
    assert "more than cache.max_gb=0.0001 allows" in data.fallbacks[0]


def test_a_network_that_can_not_be_cut_is_trained_and_tested_whole(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise ValueError("its graph can't be traced")

    monkeypatch.setattr(module, "split", refuse)
    model, _, data = fitted(pictures, "efficientnet_lite0", 10)
    assert len(p_ai(model)) == 19
    assert data.stand_ins == {}
    assert data.fallbacks == ["stage head: its frozen layers are computed again in every step: its graph can't be traced"]


@pytest.mark.parametrize(
    "outputs",
    [
        torch.randn(4, 3, 5, 6).contiguous(memory_format=torch.channels_last).bfloat16(),
        torch.randn(4, 7),
        torch.randn(4, 2, 3, 3),
    ],
)
def test_rows_hold_outputs_bit_for_bit(outputs: torch.Tensor) -> None:
    form = Format.of(outputs)
    rows = form.pack(outputs)
    assert rows.shape == (4, form.row_bytes) == (4, outputs[0].nbytes)
    back = form.unpack(rows[np.array([2, 0])])
    assert torch.equal(back, outputs[[2, 0]])
    assert Format.of(back) == form
