"""Datasets, their augmentation, and the order of an epoch."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from artclf.data.balance import Plan
from artclf.data.dataset import ArtDataset, EpochSampler, augment_image, build_augmentation
from artclf.data.distortions import BY_NAME
from artclf.data.reader import ImageReader
from tests.conftest import config_of, draw


def dataset(folder: Path, *words: str, seed: int = 0) -> ArtDataset:
    files = [folder / f"{i}.png" for i in range(3)]
    for i, file in enumerate(files):
        draw(file, "ai" if i else "human", i)
    plan = Plan(rows=np.array([0, 1, 2, 0]), copies=np.array([0, 0, 0, 1]))
    labels = {"path": [file.name for file in files], "label": ["ai", "human", "human"], "sha256": "00"}
    table = pd.DataFrame(labels, index=[10, 11, 12])
    return ArtDataset(folder, table, ImageReader(32), plan=plan, augment=config_of(*words).augment, seed=seed)


def test_items_copies_and_epochs(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    pixels, target, row = data[1]
    assert (pixels.shape, pixels.dtype, target.item(), row.item()) == ((3, 32, 32), torch.uint8, 0.0, 11)
    original, copy = data[0][0], data[3][0]
    later = 5 * len(data)
    assert torch.equal(original, data[later][0])
    assert torch.equal(copy, data[3 + later][0])
    assert torch.equal(copy, data.image_at(0, copy=1))
    assert not torch.equal(original, copy)
    assert not torch.equal(copy, dataset(tmp_path, seed=1)[3][0])


def test_each_epoch_augments_every_image_anew(tmp_path: Path) -> None:
    first, again = (dataset(tmp_path, "augment.each_epoch=true") for _ in range(2))
    later = len(first)
    assert not torch.equal(first[0][0], first[later][0])
    assert torch.equal(first[later][0], again[later][0])


@pytest.mark.parametrize("name", ["basic", "strong", "delivery"])
def test_augmentation_is_a_function_of_its_key(name: str) -> None:
    augmentation = build_augmentation(config_of(f"augment={name}").augment, 48)
    assert augmentation is not None
    pixels = torch.randint(256, (3, 48, 48), dtype=torch.uint8)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = augment_image(pixels, augmentation, 7)
    assert torch.equal(torch.get_rng_state(), state)  # the run's own random numbers are untouched
    torch.manual_seed(2)
    assert torch.equal(augment_image(pixels, augmentation, 7), first)
    assert not torch.equal(augment_image(pixels, augmentation, 8), first)
    assert (first.shape, first.dtype) == (pixels.shape, torch.uint8)


def test_a_rotation_leaves_no_black_corners() -> None:
    augmentation = build_augmentation(config_of("augment=basic", "augment.rotation=45", "augment.zoom=0.5").augment, 64)
    assert augmentation is not None
    white = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    assert min(int(augment_image(white, augmentation, key).min()) for key in range(10)) == 255


OPTIONS = [
    "",
    "crop=0.5",
    "rotation=20",
    "zoom=0.3",
    "flip=1",
    "color=0.5",
    "blur=1",
    "rescale=0.8",
    "jpeg=[5,10]",
    "webp=[5,10]",
]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_changes_the_image(option: str) -> None:
    words = [f"augment.{option}"] if option else []
    augmentation = build_augmentation(config_of("augment=none", "balance=none", *words).augment, 64)
    pixels = torch.randint(256, (3, 64, 64), dtype=torch.uint8)
    changed = augmentation is not None and any(
        not torch.equal(augment_image(pixels, augmentation, k), pixels) for k in range(5)
    )
    assert changed == bool(option)


def test_images_are_stored_and_scaled_as_robustness_does() -> None:
    pixels = torch.randint(256, (3, 48, 48), dtype=torch.uint8)
    image = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    for option, name, level in [("webp=[50,50]", "webp", 50.0), ("jpeg=[30,30]", "jpeg", 30.0)]:
        augmentation = build_augmentation(config_of("augment=none", "balance=none", f"augment.{option}").augment, 48)
        assert augmentation is not None
        made = [augment_image(pixels, augmentation, key) for key in range(10)]  # half of them are left as they are
        expected = np.array(BY_NAME[name].apply(image, level, np.random.default_rng(0)))
        others = [one for one in made if not torch.equal(one, pixels)]
        assert 0 < len(others) < 10
        assert all((one.permute(1, 2, 0).numpy() == expected).all() for one in others)


def test_keys_of_cached_copies_do_not_change_with_newer_options(tmp_path: Path) -> None:
    keys = [
        dataset(tmp_path, "augment=strong", *words).key(3) for words in ((), ("augment.copies=3",), ("augment.webp=[5,10]",))
    ]
    assert keys[0] == keys[1] != keys[2]  # the number of copies does not change the third one
    assert "webp" not in dataset(tmp_path, "augment=strong").recipe


def test_training_order_is_a_function_of_seed_and_epoch() -> None:
    def keys(seed: int, epoch: int) -> list[int]:
        sampler = EpochSampler(10, shuffle=True, seed=seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert sorted(keys(3, 2)) == list(range(20, 30))
    assert keys(3, 2) == keys(3, 2)
    assert [key - 20 for key in keys(3, 2)] != keys(3, 0) != keys(4, 0)


@pytest.mark.parametrize("weights", [None, np.arange(1.0, 11.0)])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_processes_share_an_epoch(world_size: int, weights: np.ndarray | None) -> None:
    def parts(*, shuffle: bool) -> list[list[int]]:
        given = {"shuffle": shuffle, "weights": weights, "world_size": world_size}
        samplers = [EpochSampler(10, rank=rank, **given) for rank in range(world_size)]
        assert [len(sampler) for sampler in samplers] == [len(list(sampler)) for sampler in samplers]
        return [list(sampler) for sampler in samplers]

    assert sorted(key for part in parts(shuffle=False) for key in part) == list(range(10))  # each image counts once
    training = parts(shuffle=True)
    assert {len(part) for part in training} == {-(-10 // world_size)}  # equally many steps
    drawn = [key for step in zip(*training, strict=True) for key in step]
    assert drawn[:10] == list(EpochSampler(10, shuffle=True, weights=weights))  # in each step what one process draws


def test_weights_are_drawn_in_proportion() -> None:
    sampler = EpochSampler(2000, shuffle=True, weights=np.where(np.arange(2000) < 200, 9.0, 1.0))
    keys = np.array(list(sampler))
    assert len(keys) == 2000
    assert np.mean(keys < 200) == pytest.approx(0.5, abs=0.05)
