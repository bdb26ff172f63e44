from pathlib import Path

import pytest
import torch

from artclf.model.classifier import ArtClassifier

SIZE = 32


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
    with torch.no_grad():  # without the statistics of some noise, all pictures get the same
        for _ in range(20):
            model.body(torch.randn(16, 3, SIZE, SIZE))
    (folder / "checkpoints").mkdir(parents=True)
    torch.save(
        {"hyper_parameters": dict(model.hparams), "state_dict": model.state_dict()}, folder / "checkpoints" / "best.ckpt"
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a checkpoint of random weights alone."""
    folder = tmp_path_factory.mktemp("run")
    save_tiny_classifier(folder)
    return folder
