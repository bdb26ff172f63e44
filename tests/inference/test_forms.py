from pathlib import Path

import pytest
import torch

from artclf.data.canonical import Canonical
from artclf.data.reader import ImageReader
from artclf.data.sources.folder import read_folder
from artclf.inference.forms import judge_both_forms
from tests.inference.test_altered import SIZE, Brightness

FORM = Canonical(24, 50)


def scored(file: Path, canonical: Canonical | None) -> float:
    return float(Brightness().p_ai(ImageReader(SIZE, "bicubic", canonical=canonical).read(file)[None])[0])


@pytest.mark.parametrize("own", [None, FORM])
def test_the_other_form_is_the_one_it_was_not_trained_on(pictures: Path, own: Canonical | None) -> None:
    model = Brightness()
    model.canonical = own
    manifest = read_folder(pictures)
    table = manifest.table.assign(p_ai=[scored(manifest.root / path, own) for path in manifest.table["path"]])
    told = judge_both_forms(model, manifest.root, table, FORM, "32-true", pictures=100, seed=0)
    assert told is not None
    assert told["trained_on"] == ("as_stored" if own is None else "canonical")
    assert told["form"] == {"side": 24, "quality": 50}
    test = table[table["split"] == "test"]
    assert told["n_ai"] + told["n_human"] == len(test)
    for form, canonical in (("as_stored", None), ("canonical", FORM)):
        called = [scored(manifest.root / path, canonical) >= 0.5 for path in test.loc[test["label"] == "human", "path"]]
        assert told[form]["false_positive_rate"][0] == pytest.approx(sum(called) / len(called))


def test_pictures_are_drawn_where_there_are_many(pictures: Path) -> None:
    manifest = read_folder(pictures)
    told = judge_both_forms(Brightness(), manifest.root, manifest.table.assign(p_ai=0.4), FORM, "32-true", pictures=6, seed=0)
    assert told is not None
    assert (told["n_ai"], told["n_human"]) == (3, 3)


def test_without_test_pictures_there_is_nothing_to_judge(pictures: Path) -> None:
    manifest = read_folder(pictures)
    trained = manifest.table[manifest.table["split"] == "train"].assign(p_ai=0.4)
    assert judge_both_forms(Brightness(), manifest.root, trained, FORM, "32-true", pictures=6, seed=0) is None


def test_a_picture_that_is_gone_is_left_out(pictures: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = read_folder(pictures).table.assign(p_ai=0.4)
    told = judge_both_forms(Brightness(), tmp_path, table, FORM, "32-true", pictures=4, seed=0)
    assert told is not None
    assert (told["n_ai"], told["n_human"], told["canonical"]["auroc"]) == (0, 0, None)
    assert caplog.text.count("is not judged in both forms") == 4
    assert torch.is_grad_enabled()
