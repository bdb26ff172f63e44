from pathlib import Path

import numpy as np
import pytest
import torch

from artclf.data.dataset import ArtDataset, EpochSampler
from artclf.data.reader import ImageReader
from artclf.data.transforms import build_augmentation
from tests.conftest import config_of, draw


def dataset(folder: Path, *, each_epoch: bool = False, seed: int = 0) -> ArtDataset:
    files = [folder / f"{i}.png" for i in range(3)]
    for i, file in enumerate(files):
        draw(file, "ai" if i else "human", i)
    return ArtDataset(
        files,
        np.array([1, 0, 0]),
        np.array([10, 11, 12]),
        reader=ImageReader(32),
        rows=np.array([0, 1, 2, 0]),
        copies=np.array([0, 0, 0, 1]),
        augmentation=build_augmentation(config_of().augment, 32),
        each_epoch=each_epoch,
        seed=seed,
    )


def test_an_item_is_pixels_target_and_row(tmp_path: Path) -> None:
    pixels, target, row = dataset(tmp_path)[1]
    assert pixels.shape == (3, 32, 32)
    assert pixels.dtype == torch.uint8
    assert (target.item(), row.item()) == (0.0, 11)


def test_a_copy_is_altered_and_the_same_in_every_epoch(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    original, copy = data[0][0], data[3][0]
    assert not torch.equal(original, copy)
    assert torch.equal(copy, data[3 + 5 * len(data)][0])
    assert torch.equal(original, data[5 * len(data)][0])
    assert not torch.equal(copy, dataset(tmp_path, seed=1)[3][0])


def test_each_epoch_alters_every_picture_anew(tmp_path: Path) -> None:
    data = dataset(tmp_path, each_epoch=True)
    assert not torch.equal(data[0][0], data[len(data)][0])
    assert torch.equal(data[len(data)][0], dataset(tmp_path, each_epoch=True)[len(data)][0])


def test_training_order_is_a_function_of_seed_and_epoch() -> None:
    sampler = EpochSampler(10, shuffle=True, seed=3)
    first = list(sampler)
    assert sorted(first) == list(range(10))
    sampler.set_epoch(2)
    second = list(sampler)
    assert sorted(second) == list(range(20, 30))
    assert [key - 20 for key in second] != first
    other = EpochSampler(10, shuffle=True, seed=3)
    other.set_epoch(2)
    assert list(other) == second
    assert list(EpochSampler(10, shuffle=True, seed=4)) != first


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_processes_share_an_evaluation_without_counting_twice(world_size: int) -> None:
    parts = [list(EpochSampler(10, shuffle=False, rank=rank, world_size=world_size)) for rank in range(world_size)]
    assert sorted(key for part in parts for key in part) == list(range(10))
    assert [len(EpochSampler(10, shuffle=False, rank=r, world_size=world_size)) for r in range(world_size)] == [
        len(part) for part in parts
    ]


def test_processes_take_equally_many_training_steps() -> None:
    parts = [list(EpochSampler(10, shuffle=True, rank=rank, world_size=3)) for rank in range(3)]
    assert [len(part) for part in parts] == [4, 4, 4]
    assert set().union(*parts) == set(range(10))


def test_weights_are_drawn_in_proportion() -> None:
    sampler = EpochSampler(2000, shuffle=True, weights=np.where(np.arange(2000) < 200, 9.0, 1.0))
    keys = np.array(list(sampler))
    assert len(keys) == 2000
    assert np.mean(keys < 200) == pytest.approx(0.5, abs=0.05)
