import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from artclf.data.module import ArtData
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


def test_a_last_batch_of_one_image_is_not_trained_on(pictures: Path) -> None:
    data = art_data(pictures, "balance=none", "data.batch_size=32")
    assert len(data.manifest.split("train")) == 33
    assert [len(target) for _, target, _ in data.train_dataloader()] == [32]
