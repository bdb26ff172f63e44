from pathlib import Path

import pytest
import torch
from torch import nn

from artclf.data.canonical import Canonical
from artclf.data.distortions import list_versions, make_versions
from artclf.data.images import UnreadableImage, read_image
from artclf.data.reader import ImageReader
from artclf.data.sources.folder import read_folder
from artclf.inference.altered import score_versions

SIZE = 16


class Brightness(nn.Module):
    """Stands for a classifier: the brighter a picture and the more its pixels differ, the more it is AI's."""

    device = torch.device("cpu")
    canonical: Canonical | None = None

    def __init__(self) -> None:
        super().__init__()
        self.hparams = {"image_size": SIZE, "interpolation": "bicubic"}
        self.batches: list[int] = []

    def p_ai(self, pixels: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(pixels))
        values = pixels.flatten(1).double() / 255
        return torch.sigmoid(values.mean(1) + values.std(1) - 1)


def test_each_picture_has_the_scores_of_its_versions(pictures: Path) -> None:
    manifest = read_folder(pictures)
    rows = manifest.table[manifest.table["split"] == "test"].iloc[::4]
    model, seen = Brightness(), []

    def ticks():
        for number in range(9):
            seen.append(number)
            yield number

    scores, refused = score_versions(model, manifest.root, rows, "32-true", seed=3, all_alike=True, told=ticks())
    listed = list_versions(all_alike=True)
    assert refused.empty
    assert seen == [0, 1, 2]
    assert len(scores) == len(listed) * len(rows)
    assert model.batches == [len(listed)] * len(rows)
    for path in rows["path"]:
        made = make_versions(read_image(manifest.root / path), path=path, seed=3, all_alike=True)
        squares = torch.stack([ImageReader(SIZE, "bicubic").square(image) for image in made])
        of_path = scores[scores["path"] == path]
        assert of_path["p_ai"].to_numpy() == pytest.approx(model.p_ai(squares).numpy(), abs=1e-6)
        assert list(of_path["distortion"]) == [version.distortion for version in listed]
        assert list(of_path["first"]) == [version.first for version in listed]
        assert set(of_path["shorter_side"]) == {36}
    assert scores.groupby("distortion")["level"].count()["none"] == 0


def test_a_network_of_canonical_pictures_sees_each_version_in_its_form(pictures: Path) -> None:
    manifest = read_folder(pictures)
    rows = manifest.table[manifest.table["split"] == "test"].head(1)
    model = Brightness()
    model.canonical = Canonical(side=8, quality=20)
    scores, _ = score_versions(model, manifest.root, rows, "32-true", seed=3, all_alike=False)
    path = rows["path"].iloc[0]
    made = make_versions(read_image(manifest.root / path), path=path, seed=3, all_alike=False)
    squares = torch.stack([ImageReader(SIZE, "bicubic", canonical=model.canonical).square(image) for image in made])
    assert scores["p_ai"].to_numpy() == pytest.approx(model.p_ai(squares).numpy(), abs=1e-6)


def test_a_picture_that_can_not_be_altered_is_named(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = read_folder(pictures)
    rows = manifest.table[manifest.table["split"] == "test"].head(3)
    broken = rows["path"].iloc[1]

    def read(file: Path) -> object:
        if str(file).endswith(broken):
            raise UnreadableImage(file, "gone")
        return read_image(file)

    monkeypatch.setattr("artclf.inference.altered.read_image", read)
    scores, refused = score_versions(Brightness(), manifest.root, rows, "32-true", seed=0, all_alike=False)
    assert refused.to_dict("records") == [{"path": broken, "reason": "gone"}]
    assert list(scores["path"].unique()) == [rows["path"].iloc[0], rows["path"].iloc[2]]
    assert not scores["p_ai"].isna().any()
