"""The demo images: the same every time, stored alike, and told apart by the generators' traces alone."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from artclf.data import demo
from artclf.data.demo import FOLDERS, GENERATORS, STYLES, draw_demo, luma
from artclf.data.facts import measure, read_facts
from artclf.data.sources.ai_artbench import read_ai_artbench
from artclf.errors import ArtclfError

SMALL = {"seed": 3, "size": 32, "train_per_folder": 2, "test_per_folder": 1}


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.png")}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Images [n, 96, 96, 3], and each one's folder."""
    root = draw_demo(tmp_path_factory.mktemp("demo") / "drawn", seed=0, size=96, train_per_folder=20, test_per_folder=0)
    paths = sorted(root.glob("*/train/*/*.png"))
    return np.stack([np.asarray(Image.open(path)) for path in paths]), np.array([path.parent.name for path in paths])


def test_the_same_arguments_give_the_same_bytes(tmp_path):
    first = contents(draw_demo(tmp_path / "a", **SMALL))
    assert len(set(first.values())) == len(first) == len(FOLDERS) * 3  # no image is there twice
    more = contents(draw_demo(tmp_path / "more", **{**SMALL, "train_per_folder": 3}))
    assert first.items() < more.items()
    other = contents(draw_demo(tmp_path / "other", **{**SMALL, "seed": 4}))
    assert all(other[name] != first[name] for name in first)


def test_ai_artbench_reads_them_and_all_files_are_stored_alike(tmp_path):
    root = draw_demo(tmp_path / "demo", **SMALL)
    table = read_ai_artbench(root).table
    assert table.groupby(["split", "generator", "style"]).size().to_dict() == {
        (split, generator, style): count
        for split, count in (("train", 2), ("test", 1))
        for generator in ("human", *GENERATORS.values())
        for style in STYLES
    }
    assert "nothing about art" in (root / "README.txt").read_text(encoding="utf-8")
    assert len({read_facts(path) for path in root.rglob("*.png")}) == 1  # size, format, mode and bytes


def test_finished_images_are_left_alone_and_other_things_refused(tmp_path, monkeypatch):
    drawn = draw_demo(tmp_path / "demo", **SMALL)
    with pytest.raises(ArtclfError, match=r"seed 4, 32 pixels.*give another folder as data\.root"):
        draw_demo(drawn, **{**SMALL, "seed": 4})
    with pytest.raises(ArtclfError, match="holds something other than the demo images"):
        draw_demo(tmp_path, **SMALL)
    monkeypatch.setattr(demo, "draw_image", None)  # a call would fail
    assert draw_demo(drawn, **SMALL) == drawn


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        assert list(tmp_path.rglob("train"))
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "draw_image", interrupt)
    with pytest.raises(KeyboardInterrupt):
        draw_demo(tmp_path / "demo", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_of_two_processes_the_second_uses_what_the_first_has_drawn(tmp_path, monkeypatch):
    original = demo.draw_image

    def overtaken(*args):  # another process draws all of it meanwhile
        monkeypatch.setattr(demo, "draw_image", original)
        draw_demo(tmp_path / "demo", **SMALL)
        return original(*args)

    monkeypatch.setattr(demo, "draw_image", overtaken)
    assert draw_demo(tmp_path / "demo", **SMALL) == tmp_path / "demo"
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


@pytest.mark.slow
def test_simple_statistics_do_not_tell_the_classes_apart(images):
    x, folders = images
    ai = np.char.startswith(folders, "AI_")
    forest = RandomForestClassifier(100, min_samples_leaf=3, random_state=0)
    statistics = [list(measure(Image.fromarray(image)).values()) for image in x]
    p_ai = cross_val_predict(forest, statistics, ai, cv=5, method="predict_proba")[:, 1]
    assert roc_auc_score(ai, p_ai) < 0.65


def checkerboard(x):
    """The spectrum of the luma at a period of two pixels, against that around it: above 1, a lattice [n]."""
    spectrum = np.abs(np.fft.fft2(luma(x) - luma(x).mean(axis=(1, 2), keepdims=True)))
    peaks = spectrum[:, [48, 0, 48], [0, 48, 48]]
    around = np.stack([spectrum[:, [44, 45, 51, 52], [0] * 4], spectrum[:, [0] * 4, [44, 45, 51, 52]]]).mean(axis=(0, 2))
    return peaks.max(axis=1) / around


def pairing(x):
    """How much more pixels differ from one pair to the next than within a pair [n]: above 1 after repetition."""
    across = sum(np.abs(np.diff(luma(x), axis=axis)).mean(axis=3 - axis) for axis in (1, 2))
    return across[:, 1::2].mean(axis=1) / across[:, ::2].mean(axis=1)


@pytest.mark.slow
@pytest.mark.parametrize(("tag", "trace"), [("TC", checkerboard), ("NC", pairing)])
def test_a_generator_leaves_its_trace(images, tag, trace):
    x, folders = images
    ai, human = np.char.startswith(folders, f"AI_{tag}_"), ~np.char.startswith(folders, "AI_")
    assert roc_auc_score(ai[ai | human], trace(x)[ai | human]) > 0.9
