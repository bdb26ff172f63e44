from pathlib import Path

from artclf.data.manifest import COLUMNS, Manifest


def row(path: str, label: str = "ai", split: str = "train") -> dict[str, str]:
    return {"path": path, "label": label, "generator": "g" if label == "ai" else "human", "style": "s", "split": split}


def test_rows_are_ordered_by_path_and_hashed_wherever_they_lie() -> None:
    one = Manifest.of(Path("/a"), [row("b.png"), row("a.png", "human")])
    other = Manifest.of(Path("/elsewhere"), [row("a.png", "human"), row("b.png")])
    assert one.table["path"].tolist() == ["a.png", "b.png"]
    assert one.sha256 == other.sha256
    assert one.sha256 != Manifest.of(Path("/a"), [row("b.png"), row("a.png")]).sha256


def test_csv_has_the_columns_in_their_order() -> None:
    lines = Manifest.of(Path(), [row("a.png")]).to_csv().splitlines()
    assert lines == [",".join(COLUMNS), "a.png,ai,g,s,train"]


def test_splits_targets_and_counts() -> None:
    rows = [row("a", "human"), row("b"), row("c", split="unseen"), row("d", split="test"), row("e", split="val"), row("f")]
    manifest = Manifest.of(Path(), rows)
    assert manifest.targets("train").tolist() == [1, 0, 0]
    assert manifest.evaluated == ["test", "val", "unseen"]
    assert manifest.counts()["train"] == {"ai": {"g": 2}, "human": {"human": 1}}
