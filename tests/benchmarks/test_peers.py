import json
from pathlib import Path

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel

from artclf.data.reader import ImageReader
from artclf.data.sources.ai_artbench import read_ai_artbench
from artclf.data.sources.csv import read_csv
from benchmarks.first_step import EpochClock, FirstStep
from benchmarks.peers.images import Item, balanced, read_splits
from benchmarks.pictures import draw_artbench, draw_distinct, write_table


def test_distinct_pictures_differ_and_a_table_names_them(tmp_path: Path) -> None:
    assert draw_distinct(tmp_path / "images", 1050, 32) == 1050
    files = sorted((tmp_path / "images").rglob("*.jpg"))
    assert len({file.read_bytes() for file in files}) == len(files) == 1050
    first, second, repeated = (ImageReader(32).read(files[serial]).tobytes() for serial in (0, 1, 40))
    assert (first == repeated) > (first == second)
    write_table(tmp_path / "table.csv", {"train": 6, "test": 3})
    assert read_csv(tmp_path / "table.csv", tmp_path / "images").counts() == {
        "test": {"ai": {"noise": 2}, "human": {"human": 1}},
        "train": {"ai": {"noise": 4}, "human": {"human": 2}},
    }
    items = read_splits(tmp_path / "table.csv", Path("root"))["train"]
    assert [(item.target, item.copy) for item in items[:6]] == [(float(serial % 3 > 0), False) for serial in range(6)]
    assert [(item.target, item.copy) for item in items[6:]] == [(0.0, True)] * 2
    assert items[1].file == Path("root/000/000001.jpg")


def test_a_tree_is_laid_out_as_ai_artbench_is(tmp_path: Path) -> None:
    assert draw_artbench(tmp_path, 16, 1000) == 177
    table = read_ai_artbench(tmp_path).table
    assert len(table) == 177
    assert table["style"].nunique() == 10


def test_copies_of_the_smaller_class_make_both_equal() -> None:
    items = [Item(Path(str(number)), float(number < 2)) for number in range(9)]
    all_items = balanced(items)
    assert all_items[:9] == items
    copies = [item for item in all_items if item.copy]
    assert [item.target for item in copies] == [1.0] * 5
    assert sorted(int(str(item.file)) for item in copies) in ([0, 0, 0, 1, 1], [0, 0, 1, 1, 1])
    assert balanced(items) == all_items


@pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated")  # Lightning 2.6 under new torch
@pytest.mark.filterwarnings("ignore:.*does not have many workers")  # its demo model's loaders
def test_callbacks_record_the_first_step_and_the_epochs(tmp_path: Path) -> None:
    clocks = [FirstStep(str(tmp_path / "first")), EpochClock(str(tmp_path / "epochs.jsonl"))]
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    for _ in range(2):  # as artclf's stages are
        trainer = Trainer(
            default_root_dir=tmp_path, accelerator="cpu", max_epochs=1, limit_train_batches=3, callbacks=clocks, **options
        )
        trainer.fit(BoringModel())
    first = float((tmp_path / "first").read_text())
    one, two = (json.loads(line) for line in (tmp_path / "epochs.jsonl").read_text().splitlines())
    assert one["start"] <= first <= one["trained"] <= one["end"] <= two["start"]
