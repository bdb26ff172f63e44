import subprocess
import sys
from pathlib import Path

import pytest

from artclf.data.facts import survey_files
from artclf.data.sources.ai_artbench import read_ai_artbench
from benchmarks.tree import TEST, TRAIN, make_tree
from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("listing") / "tree"
    assert make_tree(root, divide_by=500) == sum(n // 500 for numbers in TRAIN.values() for n in numbers) + 30 * 2
    return root


def test_the_whole_tree_would_have_ai_artbenchs_numbers() -> None:
    assert [sum(numbers) for numbers in TRAIN.values()] == [50_000, 52_092, 52_923]
    assert sum(sum(numbers) + TEST * len(numbers) for numbers in TRAIN.values()) == 185_015


def test_the_tree_is_stored_as_ai_artbench_is(tree: Path) -> None:
    manifest = read_ai_artbench(tree)
    assert manifest.table["style"].nunique() == 10
    assert manifest.counts()["test"] == {"ai": {"latent_diffusion": 20, "stable_diffusion": 20}, "human": {"human": 20}}
    facts = survey_files(manifest).facts
    found = facts.groupby("generator")[["width", "jpeg_quality"]].agg(["min", "max"])
    assert {str(name): row.tolist() for name, row in found.iterrows()} == {
        "human": [256, 256, 95, 95],
        "latent_diffusion": [256, 256, 75, 75],
        "stable_diffusion": [768, 768, 75, 75],
    }


def test_the_command_measures_a_folder(tree: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.listing", "--root", str(tree), "--repeat", "1", "--keep-caches"]
    printed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    first, warm = printed.splitlines()
    assert f"{len(read_ai_artbench(tree).table)} files" in warm
    assert "peak" in warm
    assert first.startswith("first")
