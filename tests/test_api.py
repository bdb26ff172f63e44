"""`import artclf`: a model is loaded, judges images and is trained; and what a wheel brings."""

import logging
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra.core.hydra_config import HydraConfig
from PIL import Image

import artclf
from tests.cli.conftest import run  # noqa: F401  the fixture
from tests.conftest import FAST, FROZEN, REPOSITORY, metrics_of

COLUMNS = ["path", "p_ai", "calibrated", "verdict", "reason", "provenance"]


def test_images_in_memory_get_the_score_of_their_file(run: Path, pictures: Path, tmp_path: Path) -> None:  # noqa: F811
    model, file = artclf.load(run), pictures / "test" / "ai" / "alpha" / "plain" / "0.png"
    with Image.open(file) as picture:
        turned, pixels = picture.transpose(Image.Transpose.ROTATE_90), np.asarray(picture)
        exif = Image.Exif()
        exif[0x0112] = 6  # shown turned by 90 degrees clockwise
        turned.save(tmp_path / "turned.png", exif=exif)
        with Image.open(tmp_path / "turned.png") as upright:
            table = model.predict([file, str(file), picture, picture, pixels, upright])
        table = pd.concat([table, model.predict(pixels), model.predict(str(file))])
    assert [*table] == COLUMNS
    assert table["path"].tolist() == [str(file), str(file), "[2]", "[3]", "[4]", "[5]", "[0]", str(file)]
    assert table["p_ai"].tolist() == pytest.approx([table["p_ai"].iloc[0]] * 8, abs=1e-6)  # sums in a batch in another order
    assert table["verdict"].isin(["ai", "human"]).all()
    assert set(table["reason"]) == {""}


def test_what_is_no_image_has_a_reason_and_the_rest_goes_on(run: Path, pictures: Path) -> None:  # noqa: F811
    closed = Image.new("RGB", (4, 4))
    closed.close()
    bad = ["gone.png", "x" * 500, None, np.zeros((4, 4)), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 2), np.uint8)]
    bad += [Image.new("RGB", (0, 0)), Image.new("F", (4, 4)), closed]
    table = artclf.load(run, max_pixels=1440).predict([*bad, Image.new("RGB", (50, 50)), pictures / "test"])
    starts = [
        "no such file",
        "file name too long",
        "NoneType: is no image; allowed: ",
        "ndarray of float64 [4, 4]: is no image",
    ]
    starts += ["ndarray of uint8 [0, 4, 3]: is no", "ndarray of uint8 [4, 4, 2]: is no", "0x0 pixels is not allowed"]
    starts += ["damaged, incomplete or unsupported Image: of more than 8 bits", "damaged", "50x50 pixels is not allowed"]
    for start, reason in zip(starts, table["reason"], strict=False):
        assert reason.startswith(start)
    assert table["p_ai"].isna().tolist() == [True] * 10 + [False] * 12
    assert [*artclf.load(run).predict([])] == COLUMNS
    with pytest.raises(artclf.ArtclfError, match="nope: there is no such run folder or checkpoint"):
        artclf.load("nope")
    with pytest.raises(AttributeError, match="has no attribute 'lod'"):
        artclf.lod  # noqa: B018


def test_a_run_from_python_is_that_of_train_py(train, pictures: Path, tmp_path: Path) -> None:
    words = [*FAST, "data=folder", f"data.root={pictures}", "stages.head.max_epochs=1"]
    train(*words, "hydra.run.dir=typed")
    before, config = logging.getLogger().handlers[:], HydraConfig.instance().cfg
    made = artclf.train(*words)
    assert logging.getLogger().handlers == before
    assert HydraConfig.instance().cfg is config
    assert made.folder.parent == tmp_path / "outputs" / "train"
    assert made.metrics["splits"] == metrics_of(made.folder)["splits"]
    assert made.metrics["command"] == metrics_of(tmp_path / "typed")["command"]
    assert "stage head" in (made.folder / "train.log").read_text()
    typed = tmp_path / "typed"
    for name in ("predictions.csv", "config.yaml", "manifest.csv"):
        assert (made.folder / name).read_text() == (typed / name).read_text()
    pd.testing.assert_frame_equal(made.predictions, pd.read_csv(typed / "predictions.csv", keep_default_na=False))
    table = artclf.load(made.folder, "32-true").predict([pictures / path for path in made.predictions["path"]])
    assert table["p_ai"].tolist() == pytest.approx(made.predictions["p_ai"].tolist(), abs=5e-3)  # tested in bf16


def test_a_run_from_python_continues_after_ctrl_c(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    words = [*FAST, "data=folder", f"data.root={pictures}", "stages.head.max_epochs=1", "hydra.run.dir=run"]
    with monkeypatch.context() as patch:
        patch.setattr("artclf.training.experiment._test", interrupt)
        with pytest.raises(KeyboardInterrupt):
            artclf.train(*words)
    assert artclf.train("resume=run").metrics["resumed"] == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["modle=resnet50", "seed=x"], r"seed: got 'x'.*\nmodle: unknown key; did you mean model\?"),
        (["-m", "seed=0,1"], "makes one run, without flags; type in a terminal: artclf train -m seed=0,1"),
        (["+holdout=generator"], r"these are several; type in a terminal: artclf train \+holdout=generator"),
        (["trainer=ddp", "trainer.devices=2"], "on one device; for several, type in a terminal: artclf train trainer=ddp"),
        ([*FAST, "data=folder", "data.root=gone"], "gone: does not exist"),
    ],
)
def test_what_train_can_not_do_is_refused(
    words: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = HydraConfig.instance().cfg
    with pytest.raises(artclf.ArtclfError, match=reason):
        artclf.train(*words)
    assert HydraConfig.instance().cfg is before


@pytest.mark.slow
def test_a_wheel_trains_from_an_empty_folder(tmp_path: Path) -> None:
    """On two devices, as the processes that Lightning starts need the command line as it was typed."""
    source, empty, venv = tmp_path / "source", tmp_path / "empty", tmp_path / "venv"
    for name in ("artclf", "conf", "hydra_plugins"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    empty.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def call(*words: object) -> str:
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=400, cwd=empty, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    call(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, source)
    call(sys.executable, "-m", "venv", "--without-pip", venv)
    (wheel,) = tmp_path.glob("*.whl")
    templates = {f"artclf/report/{file.name}" for file in (REPOSITORY / "artclf" / "report").iterdir() if file.is_file()}
    assert templates <= set(zipfile.ZipFile(wheel).namelist())
    (packages,) = venv.glob("lib/python*/site-packages")
    # the packages that this Python has, torch above all; not the checkout, whose own .pth file is not read there
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    python = venv / "bin" / "python"
    install = ("install", "--no-deps", "--no-index", "--ignore-installed", wheel)
    call(sys.executable, "-m", "pip", "--python", python, *install)
    assert Path(call(python, "-c", "import artclf; print(artclf.__file__)").strip()).is_relative_to(packages)
    small = ["data.demo.size=32", "data.demo.train_per_folder=4", "data.demo.test_per_folder=2", "stages.head.max_epochs=1"]
    two = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    printed = call(venv / "bin" / "artclf", "train", *FROZEN, *small, *two)
    (made,) = (empty / "outputs" / "train").iterdir()
    assert f"run folder: {made}" in printed
    assert metrics_of(made)["command"].startswith("artclf train data.image_size=32")
