import json
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from artclf.cli import app
from artclf.data.sources.folder import read_folder
from artclf.model.classifier import ArtClassifier

SIZE = 32


def artclf(*words: object, code: int = 0) -> Result:
    """Run a command in this process; it has to end with this exit code."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


def refusal(*words: object) -> str:
    """The only line that a refused command prints."""
    done = artclf(*words, code=2)
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.fixture(scope="session")
def run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the drawn images as it ends, with random weights: its checkpoint, manifest and metrics; no test changes it."""
    torch.manual_seed(0)
    shown = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.2], "interpolation": "bicubic", "image_size": SIZE}
    model = ArtClassifier("timm", "resnet10t", {"name": "linear"}, {"name": "bce"}, shown)
    with torch.no_grad():  # without the statistics of some noise, all images get the same score
        for _ in range(20):
            model.body(torch.randn(16, 3, SIZE, SIZE))
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    (folder / "checkpoints").mkdir(parents=True)
    content = {"hyper_parameters": dict(model.hparams), "state_dict": model.state_dict()}
    torch.save(content, folder / "checkpoints" / "best.ckpt")
    manifest = read_folder(pictures)
    (folder / "manifest.csv").write_text(manifest.to_csv())
    metrics = {"precision": "32-true", "data": {"source": "folder", "root": str(pictures), "counts": manifest.counts()}}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


@pytest.fixture
def alone(run: Path, tmp_path: Path) -> Path:
    """A checkpoint of one's own, in no run folder."""
    (tmp_path / "here").mkdir()
    return Path(shutil.copy(run / "checkpoints" / "best.ckpt", tmp_path / "here" / "alone.ckpt"))


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that evaluations would write figures and report.html into, which takes seconds."""
    folders: list[Path] = []
    monkeypatch.setattr("artclf.inference.assess.write_report", folders.append)
    return folders
