import json
import subprocess
import sys
from pathlib import Path

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel

from artclf.data.sources.csv import read_csv
from benchmarks.calling import call
from benchmarks.first_step import EpochClock, FirstStep
from benchmarks.peers.pictures import Item, balanced, read_split
from benchmarks.table import write_table
from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distinct") / "pictures"
    command = [sys.executable, "-m", "benchmarks.pictures", "distinct", str(folder), "--count", "12", "--side", "32"]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    return folder


def test_distinct_pictures_differ_and_a_table_names_them(pictures: Path, tmp_path: Path) -> None:
    files = sorted(pictures.rglob("*.jpg"))
    assert len({file.read_bytes() for file in files}) == 12
    assert write_table(tmp_path / "table.csv", {"train": 6, "test": 3}) == 9
    manifest = read_csv(tmp_path / "table.csv", pictures)
    assert manifest.counts() == {
        "test": {"ai": {"noise": 2}, "human": {"human": 1}},
        "train": {"ai": {"noise": 4}, "human": {"human": 2}},
    }


def test_peers_train_on_what_a_manifest_says(tmp_path: Path) -> None:
    write_table(tmp_path / "manifest.csv", {"train": 6, "test": 3})
    items = read_split(tmp_path / "manifest.csv", Path("root"), "train")
    assert [item.target for item in items] == [1, 0, 0, 1, 0, 0]
    assert items[1].file == Path("root/000/000001.jpg")


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
def test_callbacks_tell_of_the_first_step_and_of_epochs(tmp_path: Path) -> None:
    clocks = [FirstStep(str(tmp_path / "first.json")), EpochClock(str(tmp_path / "epochs.jsonl"))]
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    for _ in range(2):  # as artclf's stages are
        trainer = Trainer(
            default_root_dir=tmp_path, accelerator="cpu", max_epochs=1, limit_train_batches=3, callbacks=clocks, **options
        )
        trainer.fit(BoringModel())
    first = json.loads((tmp_path / "first.json").read_text())
    epochs = [json.loads(line) for line in (tmp_path / "epochs.jsonl").read_text().splitlines()]
    assert len(epochs) == 2
    assert (
        epochs[0]["start"] <= first["start"] <= first["end"] <= epochs[0]["trained"] <= epochs[0]["end"] <= epochs[1]["start"]
    )


def test_a_function_is_given_what_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_measurement.py").write_text("def measure(data, repeat):\n    return {'ratio': [repeat, data.name]}\n")
    monkeypatch.syspath_prepend(tmp_path)
    given = {"data": "/a/pictures", "repeat": 3, "quick": True}
    assert call("some_measurement", "measure", given) == {"ratio": [3, "pictures"]}
