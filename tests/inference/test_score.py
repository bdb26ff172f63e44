from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from artclf.data.canonical import Canonical
from artclf.data.distortions import list_versions, make_versions
from artclf.data.images import read_image
from artclf.data.reader import ImageReader
from artclf.data.sources.folder import read_folder
from artclf.inference.assess import compare_canonical
from artclf.inference.score import score_distorted
from artclf.inference.torch_scorer import TorchScorer

SIZE = 16
FORM = Canonical(8, 20)


class Brightness(nn.Module):
    """Stands for a classifier: the brighter an image and the more its pixels differ, the higher the score."""

    device = torch.device("cpu")

    def __init__(self, canonical: Canonical | None = None) -> None:
        super().__init__()
        self.image_size, self.interpolation = SIZE, "bicubic"
        self.canonical = canonical

    def p_ai(self, pixels: torch.Tensor) -> torch.Tensor:
        values = pixels.flatten(1).double() / 255
        return torch.sigmoid(values.mean(1) + values.std(1) - 1)

    def read(self, file: Path, canonical: Canonical | None) -> float:
        return float(self.p_ai(torch.from_numpy(ImageReader(SIZE, "bicubic", canonical=canonical).read(file)[None]))[0])


@pytest.fixture
def tested(pictures: Path) -> Callable[[Canonical | None], pd.DataFrame]:
    """Every fourth test image, scored as stored or in canonical form."""

    def score(form: Canonical | None) -> pd.DataFrame:
        rows = read_folder(pictures).table.query("split == 'test'").iloc[::2]
        return rows.assign(p_ai=[Brightness().read(pictures / path, form) for path in rows["path"]])

    return score


@pytest.mark.parametrize("own", [None, FORM])
def test_each_image_is_scored_in_all_versions_and_the_unreadable_are_named(
    pictures: Path, tested: Callable[..., pd.DataFrame], own: Canonical | None
) -> None:
    model, rows = Brightness(own), tested(None)
    gone = rows.iloc[:1].assign(path="gone.png")
    scores, unreadable = score_distorted(
        TorchScorer(model, "32-true"), pictures, pd.concat([gone, rows]), seed=3, reencoded=own is None
    )
    assert unreadable.to_dict("records") == [{"path": "gone.png", "reason": "no such file or directory"}]
    listed = list_versions(reencoded=own is None)
    assert len(scores) == len(listed) * len(rows)
    assert scores.groupby("distortion")["level"].count()["none"] == 0
    for path in rows["path"]:
        made = make_versions(read_image(pictures / path), path=path, seed=3, reencoded=own is None)
        squares = torch.from_numpy(np.stack([ImageReader(SIZE, "bicubic", canonical=own).square(image) for image in made]))
        of_path = scores[scores["path"] == path]
        assert of_path["p_ai"].to_numpy() == pytest.approx(model.p_ai(squares).numpy(), abs=1e-6)
        assert list(of_path["distortion"]) == [version.distortion for version in listed]
        assert list(of_path["first"]) == [version.first for version in listed]
        assert set(of_path["shorter_side"]) == {36}


@pytest.mark.parametrize("own", [None, FORM])
def test_the_canonical_comparison_scores_images_in_the_other_form(
    pictures: Path, tested: Callable[..., pd.DataFrame], own: Canonical | None, caplog: pytest.LogCaptureFixture
) -> None:
    table = tested(own)
    gone = table.iloc[:1].assign(path="gone.png")
    found = compare_canonical(Brightness(own), pictures, pd.concat([table, gone]), FORM, "32-true")
    assert found is not None
    assert caplog.text.count("is left out of the comparison") == 1
    assert found["trained_on"] == ("as_stored" if own is None else "canonical")
    assert found["form"] == {"side": 8, "quality": 20}
    assert found["n_ai"] + found["n_human"] == len(table)
    human = table.loc[table["label"] == "human", "path"]
    for name, form in (("as_stored", None), ("canonical", FORM)):
        called_ai = [Brightness().read(pictures / path, form) >= 0.5 for path in human]
        assert found[name]["false_positive_rate"][0] == pytest.approx(sum(called_ai) / len(called_ai))
    assert compare_canonical(Brightness(own), pictures, table.iloc[:0], FORM, "32-true") is None
