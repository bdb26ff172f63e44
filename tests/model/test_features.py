from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch import Trainer

from artclf.cache.folder import cache_folder
from artclf.config.schema import StageConfig
from artclf.data.module import ArtData
from artclf.model import features as module
from artclf.model import rows
from artclf.model.backbones import build_backbone
from artclf.model.classifier import ArtClassifier
from artclf.model.features import FeatureCache
from artclf.model.rows import BATCH, Format, MemoryRows
from artclf.model.split import Split
from tests.conftest import TINY, config_of

pytestmark = pytest.mark.filterwarnings("default")  # Lightning's, of few workers and short epochs

SMALL = ("timm", "test_byobnet")
# small steps: on maps of one pixel, batch normalisation makes some 1e8 times as much of a difference in the last digit
SGD = {"name": "sgd", "lr": 1e-4, "weight_decay": 0.0}


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTCLF_CACHE", str(tmp_path / "cache"))
    rows.IN_MEMORY.clear()


def classifier(name: tuple[str, str] = SMALL, seed: int = 0) -> ArtClassifier:
    torch.manual_seed(seed)
    backbone = build_backbone(*name)
    norms = [layer for layer in backbone.body.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    momentum = norms[0].momentum
    for norm in norms:  # give them the statistics of some images: else the outputs of random layers explode
        norm.momentum = 1.0
    with torch.no_grad():
        backbone.body.train()(torch.randn(16, 3, 32, 32))
    for norm in norms:
        norm.momentum = momentum
    head = {"name": "mlp", "hidden": 16, "dropout": 0.5}
    preprocessing = {"mean": backbone.mean, "std": backbone.std, "interpolation": "bilinear", "image_size": 32}
    return ArtClassifier(*name, head, {"name": "bce"}, preprocessing, backbone=backbone)


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


def cache_of(root: Path, model: ArtClassifier, *words: str) -> FeatureCache:
    config = config_of("data=folder", f"data.root={root}", *TINY, *words)
    data = ArtData(config)
    data.read()
    return FeatureCache(model, data, config.cache)


def begin(model: ArtClassifier, depth: int) -> None:
    stage = StageConfig(unfreeze=depth, optim=SGD, max_epochs=2, patience=None, schedule="constant")
    model.begin(stage, depth, seed=3)


def fitted(
    root: Path, depth: int, *words: str, name: tuple[str, str] = SMALL, precision: str = "32-true"
) -> tuple[ArtClassifier, dict[str, float], ArtData]:
    """A stage, fitted and tested as a run does."""
    model, trainer = classifier(name), trainer_of(precision)
    model.double() if precision == "64-true" else model.float()
    cache = cache_of(root, model, *words)
    lightning.seed_everything(3, verbose=False)
    begin(model, depth)
    cache.prepare("head", depth, trainer)
    trainer.fit(model, datamodule=cache.data)
    metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
    cache.offer(depth, trainer)
    trainer.test(model, datamodule=cache.data, verbose=False)
    return model, metrics, cache.data


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        (SMALL, 0),
        (SMALL, 10),
        pytest.param(("timm", "efficientnet_lite0"), 10, marks=pytest.mark.slow),
    ],
)
def test_training_on_cached_features_equals_training_on_images(pictures: Path, name: tuple[str, str], depth: int) -> None:
    """Batch normalisation (frozen and trained) and dropout included. In 64 bits, in which nothing but rounding may differ."""
    cached, metrics, data = fitted(pictures, depth, name=name, precision="64-true")
    assert set(data.feature_data) == {"train", "test", "val", "unseen"}  # those offered to the test, and to held-out scores
    whole, expected, _ = fitted(pictures, depth, "cache.prefix=false", name=name, precision="64-true")
    assert metrics == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(cached.tested()[1], whole.tested()[1], atol=1e-6, rtol=0)
    start = classifier(name).double().state_dict()
    moved = [key for key, value in whole.state_dict().items() if not torch.equal(value, start[key])]
    assert any("running_mean" in key for key in moved)
    torch.testing.assert_close(cached.state_dict(), whole.state_dict(), atol=1e-8, rtol=1e-6)


def test_16_bit_outputs_are_cached_as_they_were_computed(pictures: Path) -> None:
    """In bf16 the outputs are bf16 already: caching loses nothing, and the results are the same bit for bit."""
    cached, metrics, data = fitted(pictures, 10, precision="bf16-mixed")
    assert data.feature_data["test"].features.form.dtype == "bfloat16"  # type: ignore[attr-defined]
    whole, expected, _ = fitted(pictures, 10, "cache.prefix=false", precision="bf16-mixed")
    assert metrics == expected
    assert torch.equal(cached.tested()[1], whole.tested()[1])


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number for each batch of images that the frozen layers are computed for."""
    found: list[int] = []
    frozen = Split.frozen

    def counted(self: Split, images: torch.Tensor) -> torch.Tensor:
        found.extend([len(images)] if len(images) == BATCH else [])
        return frozen(self, images)

    monkeypatch.setattr(Split, "frozen", counted)
    return found


def test_a_second_run_computes_nothing_and_others_what_differs(pictures: Path, batches: list[int]) -> None:
    def computed(run: Callable[[], Any]) -> int:
        batches.clear()
        run()
        return len(batches)

    def prepared(seed: int, precision: str, *words: str) -> int:
        return computed(lambda: cache_of(pictures, classifier(seed=seed), *words).prepare("head", 0, trainer_of(precision)))

    everything = prepared(0, "32-true")
    assert everything == 5  # 44 items to train on, and one batch each of val, test and unseen
    assert computed(lambda: fitted(pictures, 0)) == 0
    assert prepared(0, "32-true", "seed=1") == 1  # other copies of the smaller class; the images themselves are the same
    assert prepared(0, "32-true", "balance=none") == 0
    assert prepared(0, "bf16-mixed") == everything
    assert prepared(1, "32-true") == everything


def test_a_head_takes_its_features_from_the_outputs_for_a_later_stage(pictures: Path, batches: list[int]) -> None:
    """One pass for both stages, and the features are those of a pass of their own."""
    model, trainer = classifier().double(), trainer_of("64-true")
    cache = cache_of(pictures, model, "balance=none")
    begin(model, 0)
    cache.prepare("head", 0, trainer, later=[10])
    assert len(batches) == 5
    features = [batch[0] for batch in cache.data.loader("val")]
    cache.prepare("last10", 10, trainer)
    assert len(batches) == 5
    model.eval()
    inputs, _, rows = next(iter(cache.data.loader("val")))
    pixels = torch.stack([cache.data.dataset("val")[item][0] for item in range(len(rows))])
    expected = model.body(model.normalised(pixels))
    torch.testing.assert_close(torch.cat(features), expected)
    torch.testing.assert_close(model.tail(inputs), expected)


def test_a_test_reads_the_outputs_of_the_weights_that_it_tests(pictures: Path) -> None:
    """Where the first stage was the best, and a later one of the same depth trained on another body."""
    model, trainer = classifier(), trainer_of()
    cache = cache_of(pictures, model)
    begin(model, 0)
    cache.prepare("first", 0, trainer)
    of_first, state = next(iter(cache.data.loader("val")))[0], {key: value.clone() for key, value in model.state_dict().items()}
    for parameter in model.body.parameters():
        parameter.data *= 1.1
    begin(model, 0)
    cache.prepare("later", 0, trainer)
    assert not torch.allclose(next(iter(cache.data.loader("val")))[0], of_first)
    model.load_state_dict(state)
    cache.offer(0, trainer)
    assert torch.equal(next(iter(cache.data.loader("val")))[0], of_first)


def test_where_every_training_image_is_augmented_anew_only_evaluated_splits_are_cached(pictures: Path) -> None:
    model = classifier()
    cache = cache_of(pictures, model, "augment=strong")
    cache.prepare("head", 0, trainer_of())
    assert set(cache.data.feature_data) == {"val", "test", "unseen"}
    begin(model, 0)
    trainer_of(epochs=1).fit(model, datamodule=cache.data)  # pixels to train on, outputs to validate on
    assert all(parameter.grad is None for parameter in model.body.parameters())


@pytest.mark.parametrize(("words", "why"), [(["cache.max_gb=1e-5"], "more than cache.max_gb=1e-05 allows"), ([], "not traced")])
def test_without_room_or_a_cut_the_whole_network_is_trained_and_tested(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], why: str
) -> None:
    def refuse(*args: object) -> None:
        raise ValueError(why)

    monkeypatch.setitem(rows.SHARES, "host", 0)
    if not words:
        monkeypatch.setattr(module, "split", refuse)
    model, _, data = fitted(pictures, 10, "cache.pixels=false", *words)
    assert len(model.tested()[1]) == 19
    assert data.feature_data == {}
    [line] = data.fallbacks
    assert line.startswith("stage head: its frozen layers are computed again in every step: ")
    assert line.endswith(why)


def test_without_room_on_disk_outputs_are_kept_in_memory(pictures: Path, batches: list[int]) -> None:
    in_memory, metrics, data = fitted(pictures, 10, "cache.max_gb=1e-5", "cache.pixels=false")
    assert len(batches) == 5
    [line] = data.fallbacks
    assert line.startswith("outputs of frozen layers are kept in memory, for this run alone: ")
    rows.IN_MEMORY.clear()
    on_disk, expected, _ = fitted(pictures, 10)
    assert metrics == expected
    assert torch.equal(in_memory.tested()[1], on_disk.tested()[1])


@pytest.fixture
def as_on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are placed as on a GPU, in the memory of the CPU."""
    for place in (module, rows):
        monkeypatch.setattr(place, "on_gpu", lambda device: True)


@pytest.mark.usefixtures("as_on_gpu")
@pytest.mark.parametrize("worth_disk", [0, 2**16])
def test_on_a_gpu_rows_are_read_from_its_memory_and_large_ones_are_not_on_disk(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, batches: list[int], worth_disk: int
) -> None:
    monkeypatch.setattr(module, "WORTH_DISK", worth_disk)
    kept, metrics, data = fitted(pictures, 10)
    assert all(isinstance(items.features.store, MemoryRows) for items in data.feature_data.values())  # type: ignore[attr-defined]
    assert any((cache_folder() / "prefix").rglob("*.npy")) == (worth_disk > 0)
    batches.clear()
    again, _, _ = fitted(pictures, 10)  # as the next job of a multirun
    assert not batches
    assert torch.equal(again.tested()[1], kept.tested()[1])
    whole, expected, _ = fitted(pictures, 10, "cache.prefix=false")
    assert metrics == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(kept.tested()[1], whole.tested()[1], atol=1e-5, rtol=0)


@pytest.mark.usefixtures("as_on_gpu")
def test_on_a_gpu_all_layers_train_on_pixels_in_its_memory(pictures: Path) -> None:
    depth = len(classifier().layers)
    model = classifier()
    cache = cache_of(pictures, model)
    begin(model, depth)
    cache.prepare("head", depth, trainer_of())
    assert set(cache.data.feature_data) == {"train", "val"}
    kept = {split: list(cache.data.loader(split)) for split in ("train", "val")}
    cache.release()
    for split, batches in kept.items():
        for batch, read in zip(batches, cache.data.loader(split), strict=True):
            assert all(torch.equal(one, other) for one, other in zip(batch, read, strict=True))


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
    packed = form.pack(outputs)
    assert packed.shape == (4, form.row_bytes) == (4, outputs[0].nbytes)
    back = form.unpack(packed[[2, 0]])
    assert torch.equal(back, outputs[[2, 0]])
    assert Format.of(back) == form
