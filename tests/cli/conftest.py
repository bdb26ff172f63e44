import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from artclf.cli import app
from artclf.model.classifier import ArtClassifier

SIZE = 32


def artclf(*words: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(word) for word in words])


def save_tiny_classifier(folder: Path) -> None:
    """Write checkpoints/best.ckpt of random weights into a run folder."""
    torch.manual_seed(0)
    model = ArtClassifier(
        "timm",
        "resnet10t",
        head={"name": "linear"},
        loss={"name": "bce"},
        mean=[0.5, 0.4, 0.3],
        std=[0.2, 0.3, 0.2],
        interpolation="bicubic",
        image_size=SIZE,
    )
    with torch.no_grad():  # without the statistics of some noise, all images get the same score
        for _ in range(20):
            model.body(torch.randn(16, 3, SIZE, SIZE))
    (folder / "checkpoints").mkdir(parents=True)
    torch.save(
        {"hyper_parameters": dict(model.hparams), "state_dict": model.state_dict()}, folder / "checkpoints" / "best.ckpt"
    )


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a checkpoint of random weights alone; no test changes it."""
    folder = tmp_path_factory.mktemp("run")
    save_tiny_classifier(folder)
    return folder


@pytest.fixture
def alone(run: Path, tmp_path: Path) -> Path:
    """A checkpoint of one's own, in no run folder."""
    (tmp_path / "here").mkdir()
    return Path(shutil.copy(run / "checkpoints" / "best.ckpt", tmp_path / "here" / "alone.ckpt"))
