"""The figures of the data are drawn once for all runs of a sweep, and anew where anything they show is another."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from artclf.data.module import ArtData
from artclf.training import figures
from tests.conftest import TINY, config_of, draw

OF_THE_DATA = {"samples_ai.png", "samples_human.png", "counts.png", "copies.png"}


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[set[str], dict[str, bytes]]]:
    """Draw the data's figures as a run with these words does: which of them were drawn, and what all hold."""
    monkeypatch.setattr(figures, "_kept", {})
    saved: set[str] = set()
    save = figures.save

    def noted(figure: object, file: Path) -> Path:
        saved.add(file.name)
        return save(figure, file)

    monkeypatch.setattr(figures, "save", noted)

    def run(root: Path, *words: str) -> tuple[set[str], dict[str, bytes]]:
        config = config_of("data=folder", f"data.root={root}", *TINY, *words)
        data = ArtData(config.data, config.augment, config.balance.name, config.seed)
        data.read()
        saved.clear()
        folder = tmp_path / "figures"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        figures._draw_data(folder, data)
        return set(saved), {file.name: file.read_bytes() for file in folder.iterdir()}

    return run


def test_a_run_with_another_learning_rate_draws_none_of_them_again(pictures, drawn):
    first, files = drawn(pictures)
    assert first == OF_THE_DATA == set(files)
    again, same = drawn(pictures, "stages.head.optim.lr=0.01", "head=linear")
    assert again == set()
    assert same == files


@pytest.mark.parametrize(
    ("words", "other"),
    [
        (["seed=1"], {"copies.png"}),
        (["augment.rotation=5"], {"copies.png"}),
        (["balance=undersample"], {"counts.png"}),
        (["data.split_seed=1"], {"samples_ai.png", "samples_human.png"}),
    ],
)
def test_what_shows_something_else_is_drawn_anew(pictures, drawn, words, other):
    drawn(pictures)
    again, _ = drawn(pictures, *words)
    assert again == other


def test_a_changed_file_is_seen(pictures, drawn, tmp_path):
    root = shutil.copytree(pictures, tmp_path / "pictures")
    _, files = drawn(root)
    file = next((root / "train" / "human").rglob("*.png"))
    draw(file, "ai", 999)
    os.utime(file, (0, 0))
    again, new = drawn(root)
    assert "samples_human.png" in again
    assert "samples_ai.png" not in again
    assert new["samples_human.png"] != files["samples_human.png"]
