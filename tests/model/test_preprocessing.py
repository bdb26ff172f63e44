"""The seed study's EfficientNet reached 57%: what wrong preprocessing costs, and that artclf uses that of the weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from artclf.data.demo.draw import draw_demo
from artclf.data.images import read_image
from artclf.data.sources.ai_artbench import read_ai_artbench
from artclf.model.backbones import build_backbone
from artclf.model.classifier import ArtClassifier

LITE0 = ("timm", "efficientnet_lite0")


@pytest.mark.slow
def test_wrong_preprocessing_drops_clearly_below_the_right_one(tmp_path: Path) -> None:
    root = draw_demo(tmp_path / "demo", seed=0, size=96, train_per_folder=10, test_per_folder=10)
    table = read_ai_artbench(root).table
    pixels = torch.stack([torch.from_numpy(np.array(read_image(root / path))).permute(2, 0, 1) for path in table["path"]])
    is_ai, train = (table["label"] == "ai").to_numpy(), (table["split"] == "train").to_numpy()
    backbone = build_backbone(*LITE0, "imagenet")
    preprocessing = {"mean": backbone.mean, "std": backbone.std, "interpolation": backbone.interpolation}
    model = ArtClassifier(*LITE0, {"name": "linear"}, {"name": "bce"}, image_size=96, backbone=backbone, **preprocessing).eval()

    @torch.inference_mode()
    def features(images: torch.Tensor) -> np.ndarray:
        return torch.cat([model.body(batch) for batch in images.split(60)]).numpy()

    def score(fitted_to: np.ndarray, tested_on: np.ndarray) -> float:
        probe = LogisticRegression(C=0.1, max_iter=500).fit(fitted_to[train], is_ai[train])
        return float(balanced_accuracy_score(is_ai[~train], probe.predict(tested_on[~train])))

    right = features(model.normalised(pixels))
    best = score(right, right)
    assert best > 0.8  # measured: 0.894
    twice = features(model.normalised(pixels / 255))  # 0-1 into a network that scales 0-255 itself
    assert score(twice, twice) < best - 0.25  # measured: 0.5, although trained on them
    bare = features(pixels.float())
    assert score(right, bare) < best - 0.25  # measured: 0.513
