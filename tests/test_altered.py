from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from artclf.altered import draw_pictures_to_alter, score_versions
from artclf.data.distortions import list_versions, make_versions
from artclf.data.images import UnreadableImage, read_image
from artclf.data.sources.folder import read_folder
from artclf.data.transforms import as_square

SIZE = 16


class Brightness(nn.Module):
    """Stands for a classifier: the brighter a picture and the more its pixels differ, the more it is AI's."""

    device = torch.device("cpu")
    canonical = None

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
        squares = torch.stack([as_square(image, SIZE, "bicubic") for image in made])
        of_path = scores[scores["path"] == path]
        assert of_path["p_ai"].to_numpy() == pytest.approx(model.p_ai(squares).numpy(), abs=1e-6)
        assert list(of_path["distortion"]) == [version.distortion for version in listed]
        assert list(of_path["first"]) == [version.first for version in listed]
        assert set(of_path["shorter_side"]) == {36}
    assert scores.groupby("distortion")["level"].count()["none"] == 0


def test_a_picture_that_can_not_be_altered_is_named(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = read_folder(pictures)
    rows = manifest.table[manifest.table["split"] == "test"].head(3)
    broken = rows["path"].iloc[1]

    def read(file: Path) -> object:
        if str(file).endswith(broken):
            raise UnreadableImage(file, "gone")
        return read_image(file)

    monkeypatch.setattr("artclf.altered.read_image", read)
    scores, refused = score_versions(Brightness(), manifest.root, rows, "32-true", seed=0, all_alike=False)
    assert refused.to_dict("records") == [{"path": broken, "reason": "gone"}]
    assert list(scores["path"].unique()) == [rows["path"].iloc[0], rows["path"].iloc[2]]
    assert not scores["p_ai"].isna().any()


@pytest.mark.parametrize(("sample", "people", "ai"), [(20, 10, 10), (300, 30, 90), (100, 30, 70), (2, 1, 1)])
def test_the_sample_takes_as_many_of_both_classes_as_it_can(sample: int, people: int, ai: int) -> None:
    labels = np.repeat(["human", "ai"], [30, 90])
    table = pd.DataFrame({"path": [f"{i:03d}" for i in range(120)], "label": labels, "style": "x"})
    table["generator"] = np.where(labels == "human", "human", np.where(np.arange(120) % 2 == 0, "a", "b"))
    other = table.assign(split="val", path="val/" + table["path"])
    everything = pd.concat([table.assign(split="test"), other], ignore_index=True)
    drawn = draw_pictures_to_alter(everything, sample, seed=0)
    assert dict(drawn["label"].value_counts()) == {"human": people, "ai": ai}
    assert set(drawn["split"]) == {"test"}
    assert not drawn["path"].duplicated().any()
    if ai > 1:
        assert abs((drawn["generator"] == "a").sum() - ai / 2) <= 1
    assert drawn.equals(draw_pictures_to_alter(everything, sample, seed=0))
    if sample < 120:
        assert not drawn.equals(draw_pictures_to_alter(everything, sample, seed=1))


def test_one_class_alone_fills_the_sample() -> None:
    table = pd.DataFrame({"path": list("abcdef"), "label": "ai", "style": "x", "generator": "g", "split": "test"})
    assert len(draw_pictures_to_alter(table, 4, seed=0)) == 4
