from pathlib import Path

import pytest

from artclf.data.manifest import COLUMNS, Manifest, is_ai
from artclf.errors import ArtclfError


def row(path: str, label: str = "ai", split: str = "train") -> tuple[str, ...]:
    return path, label, "g" if label == "ai" else "human", "s", split


def test_rows_are_ordered_by_path_and_hashed_wherever_they_lie() -> None:
    one = Manifest.of(Path("/a"), [row("b.png"), row("a.png", "human")])
    other = Manifest.of(Path("/elsewhere"), [row("a.png", "human"), row("b.png")])
    assert one.to_csv().splitlines() == [",".join(COLUMNS), "a.png,human,human,s,train", "b.png,ai,g,s,train"]
    assert one.sha256 == other.sha256
    assert one.sha256 != Manifest.of(Path("/a"), [row("b.png"), row("a.png")]).sha256


def test_splits_targets_and_counts() -> None:
    rows = [row("a", "human"), row("b"), row("c", split="unseen"), row("d", split="test"), row("e", split="val"), row("f")]
    manifest = Manifest.of(Path(), rows)
    assert is_ai(manifest.split("train")).tolist() == [0, 1, 1]
    assert manifest.evaluated == ["test", "val", "unseen"]
    assert manifest.counts()["train"] == {"ai": {"g": 2}, "human": {"human": 1}}


@pytest.mark.parametrize(
    ("rows", "message"),
    [([], "no images found"), ([row("a", "fake"), row("b")], r"a: got the label 'fake' \(1 such rows\); allowed: ai, human")],
)
def test_invalid_rows_are_one_line(rows: list[tuple[str, ...]], message: str) -> None:
    with pytest.raises(ArtclfError, match=message) as error:
        Manifest.of(Path(), rows)
    assert "\n" not in str(error.value)
