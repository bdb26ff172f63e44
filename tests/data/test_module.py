import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from artclf.data.module import ArtData
from artclf.data.splits import Duplicates
from artclf.errors import ArtclfError
from tests.conftest import TINY, config_of


def art_data(root: Path, *words: str) -> ArtData:
    config = config_of("data=folder", f"data.root={root}", *TINY, *words)
    data = ArtData(config)
    data.read()
    return data


def test_batches_and_counts(pictures: Path) -> None:
    data = art_data(pictures)
    assert data.manifest.evaluated == ["test", "val", "unseen"]
    assert data.manifest.counts()["test"] == {"ai": {"alpha": 4, "beta": 4}, "human": {"human": 4}}
    pixels, target, row = next(iter(data.train_dataloader()))
    assert pixels.shape == (8, 3, 32, 32)
    assert (target.dtype, row.dtype) == (torch.float32, torch.int64)
    labels = data.manifest.table.loc[row.numpy(), "label"]
    assert (target.numpy() == (labels == "ai")).all()
    rows = [torch.cat([row for _, _, row in loader]).tolist() for loader in data.test_dataloader()]
    assert [len(part) for part in rows] == [12, 3, 4]  # every image once
    assert rows[0] == data.manifest.split("test").index.tolist()


@pytest.mark.parametrize(("balance", "number"), [("augment", 22), ("sampler", 16)])
def test_counts_are_those_after_balancing(pictures: Path, balance: str, number: int) -> None:
    """With a sampler, those drawn on average."""
    assert art_data(pictures, f"balance={balance}").counts_after() == {"ai": number, "human": number}


def test_the_same_seed_gives_the_same_epoch_with_or_without_workers(pictures: Path) -> None:
    def epoch(*words: str) -> torch.Tensor:
        return torch.cat([pixels for pixels, _, _ in art_data(pictures, *words).train_dataloader()])

    first = epoch()
    assert torch.equal(first, epoch("data.num_workers=2"))
    assert not torch.equal(first, epoch("seed=1"))


def test_unreadable_files_are_listed_and_too_many_stop_the_run(pictures: Path, tmp_path: Path) -> None:
    root = shutil.copytree(pictures, tmp_path / "images")
    (root / "train" / "ai" / "alpha" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (root / "train" / "human" / "empty.png").write_bytes(b"")
    data = art_data(root, "data.max_rejected=0.5")
    data.read(tmp_path)
    listed = pd.read_csv(tmp_path / "rejected.csv")
    assert listed["path"].tolist() == ["train/ai/alpha/broken.jpg", "train/human/empty.png"]
    assert listed["reason"].notna().all()
    assert not data.manifest.table["path"].isin(listed["path"]).any()
    data.config = data.config.model_copy(update={"max_rejected": 0.01})
    with pytest.raises(ArtclfError, match=r"2 of 54 images can't be read, more than data.max_rejected=0.01.*rejected.csv"):
        data.read(tmp_path)


def test_what_is_lost_is_named_by_class_generator_and_split(pictures: Path, tmp_path: Path) -> None:
    """Files that can't be read are often all of one generator; a split that is lost is cut anew."""
    root = shutil.copytree(pictures, tmp_path / "images")
    for path in ("train/ai/newest/1.jpg", "test/ai/newest/2.jpg", "val/human/plain/3.png", "test/human/blurred/4.png"):
        (root / path).parent.mkdir(parents=True)
        (root / path).write_bytes(b"\xff\xd8\xff nothing")
    (root / "train" / "ai" / "alpha" / "plain" / "0.png").write_bytes(b"")
    (root / "train" / "human" / "rough" / "two\nlines.png").write_bytes(b"")
    data = art_data(root, "data.max_rejected=0.5")
    assert data.rejected_by == [
        {"label": "ai", "generator": "alpha", "rejected": 1, "of": 16},
        {"label": "ai", "generator": "newest", "rejected": 2, "of": 2},
        {"label": "human", "generator": "human", "rejected": 3, "of": 19},
    ]
    assert [line.partition(" can't be read")[0] for line in data.fallbacks] == [
        "all 1 images in the split val",
        "all 2 AI images of the generator newest",
        "all 1 human images in the style blurred",
    ]
    assert len(data.manifest.split("val"))


def test_copies_and_links_count_once(pictures: Path, tmp_path: Path) -> None:
    root = shutil.copytree(pictures, tmp_path / "images")
    first = root / "test" / "human" / "plain" / "0.png"
    for number in range(5):
        first.with_name(f"link{number}.png").symlink_to(first)
        first.with_name(f"hard{number}.png").hardlink_to(first)
        shutil.copy(first, root / "train" / "human" / "rough" / f"copy{number}.png")
    data = art_data(root)
    assert data.manifest.counts()["test"] == art_data(pictures).manifest.counts()["test"]
    assert data.duplicates == Duplicates(groups=1, files=16, removed=5, contradictory=0, copies=10)


@pytest.mark.parametrize(("free", "workers"), [(10**9, 2), (500_000, 2), (200_000, 1), (50_000, 0)])
def test_small_shared_memory_takes_fewer_processes_and_says_so(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, free: int, workers: int
) -> None:
    """A batch has 8 images of 3 kB."""
    monkeypatch.setattr("artclf.data.module.shared_memory", lambda: free)
    data = art_data(pictures, "data.num_workers=2", "cache.pixels=false")
    assert [data.loader(split).num_workers for split in ("train", "val")] == [workers, workers]
    assert [f"{workers or 'none'} of these processes decode" in line for line in data.fallbacks] == [True] * (workers < 2)


def test_full_shared_memory_is_an_error_and_no_endless_wait(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: torch.Tensor) -> None:
        raise RuntimeError("unable to allocate shared memory(shm): No space left on device (28)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", refuse)
    data = art_data(pictures, "data.num_workers=1", "cache.pixels=false")
    with pytest.raises(ArtclfError, match=r"shared memory ./dev/shm. is full; type data.num_workers=0"):
        next(iter(data.val_dataloader()))


def test_a_last_batch_of_one_image_is_not_trained_on(pictures: Path) -> None:
    data = art_data(pictures, "balance=none", "data.batch_size=32")
    assert len(data.manifest.split("train")) == 33
    assert [len(target) for _, target, _ in data.train_dataloader()] == [32]
