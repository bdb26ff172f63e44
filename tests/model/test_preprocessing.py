"""The seed study's EfficientNet stood at 57%: what wrong preprocessing costs, and that artclf's is the weights' own."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from artclf.data.demo.draw import draw_demo
from artclf.data.images import read_image
from artclf.data.sources.ai_artbench import read_ai_artbench
from artclf.model.backbones import build_backbone, load_weights
from artclf.model.classifier import ArtClassifier


@dataclass(frozen=True)
class Pictures:
    pixels: torch.Tensor
    targets: npt.NDArray[np.int64]
    train: npt.NDArray[np.bool_]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    """120 demo pictures to train on and 120 to test."""
    root = draw_demo(tmp_path_factory.mktemp("drawn") / "demo", seed=0, size=96, train_per_folder=10, test_per_folder=10)
    table = read_ai_artbench(root).table
    pixels = torch.stack([torch.from_numpy(np.array(read_image(root / path))).permute(2, 0, 1) for path in table["path"]])
    return Pictures(pixels, (table["label"] == "human").to_numpy(np.int64), (table["split"] == "train").to_numpy())


@pytest.fixture(scope="module")
def model() -> ArtClassifier:
    """EfficientNet-Lite0 with its ImageNet weights, as a run builds it."""
    name = ("timm", "efficientnet_lite0")
    backbone = load_weights(build_backbone(*name), *name, "imagenet")
    model = ArtClassifier(
        *name,
        head={"name": "linear"},
        loss={"name": "bce"},
        mean=backbone.mean,
        std=backbone.std,
        interpolation=backbone.interpolation,
        image_size=96,
    )
    model.body.load_state_dict(backbone.body.state_dict())
    return model.eval()


def features(model: ArtClassifier, pictures: Pictures, *, scaled_before: bool, normalised: bool) -> npt.NDArray[np.float32]:
    """What the body makes of the pictures when somebody else prepares them."""
    mean, std = (model.mean * 255, model.std * 255) if normalised else (torch.zeros(1), torch.ones(1))
    with torch.inference_mode():
        batches = [
            model.body(((batch / 255 if scaled_before else batch.float()) - mean) / std) for batch in pictures.pixels.split(60)
        ]
    return torch.cat(batches).numpy()


def score(pictures: Pictures, train: npt.NDArray[np.float32], test: npt.NDArray[np.float32]) -> float:
    """Balanced accuracy of a linear probe."""
    probe = LogisticRegression(C=0.1, max_iter=500).fit(train[pictures.train], pictures.targets[pictures.train])
    return float(balanced_accuracy_score(pictures.targets[~pictures.train], probe.predict(test[~pictures.train])))


def test_wrong_preprocessing_drops_clearly_below_the_right_one(model: ArtClassifier, pictures: Pictures) -> None:
    right = features(model, pictures, scaled_before=False, normalised=True)
    seen: list[torch.Tensor] = []
    hook = model.body.register_forward_hook(lambda _body, _inputs, output: seen.append(output))
    with torch.inference_mode():
        model(pictures.pixels[:8])
    hook.remove()
    torch.testing.assert_close(seen[0], torch.from_numpy(right[:8]), atol=1e-4, rtol=1e-4)  # artclf's is the right one

    best = score(pictures, right, right)
    assert best > 0.8  # measured: 0.894
    twice = features(model, pictures, scaled_before=True, normalised=True)  # 0-1 into a network that scales 0-255 itself
    assert score(pictures, twice, twice) < best - 0.25  # measured: 0.5, although trained so
    bare = features(model, pictures, scaled_before=False, normalised=False)
    assert score(pictures, right, bare) < best - 0.25  # measured: 0.513
