import subprocess
from pathlib import Path

import pytest

from artclf.data.canonical import Canonical
from artclf.data.manifest import Manifest
from artclf.data.sources.folder import read_folder
from artclf.inference import assess
from artclf.inference.audit import audit_images


def test_versions_name_what_figures_depend_on() -> None:
    assert {"python", "artclf", "torch", "torchvision", "lightning"} <= set(assess.versions())


def test_the_commit_is_that_of_the_source_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["git", "-C", str(Path(assess.__file__).parent), "rev-parse", "HEAD"]
    head = subprocess.run(command, capture_output=True, text=True, check=False)
    commit = assess.git_commit()
    assert (commit or "").removesuffix("-dirty") == head.stdout.strip()
    monkeypatch.setenv("PATH", "")
    assert assess.git_commit() is None


def test_results_are_strict_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        assess.write_results(tmp_path, {"loss": float("nan")}, 0.0, report=False)
    assert not list(tmp_path.iterdir())


def test_an_audit_measures_a_sample_in_both_forms(pictures: Path) -> None:
    manifest, form = read_folder(pictures), Canonical(24, 75)
    _, plain = audit_images(manifest, form, sample=20, quiet=True)
    _, canonical = audit_images(manifest, form, sample=20, quiet=True, trained_canonical=True)
    assert (plain["canonical"], canonical["canonical"]) == (False, True)
    assert plain["drawn_of"] == 52
    assert canonical["canonical_pixel_statistics"] == plain["canonical_pixel_statistics"]
    assert canonical["canonical_pixel_statistics"]["top"]
    assert canonical["pixel_statistics"]["auroc"] == plain["pixel_statistics"]["auroc"]


def test_an_audit_of_images_that_are_gone_names_them(pictures: Path, tmp_path: Path) -> None:
    moved = Manifest(tmp_path / "moved", read_folder(pictures).table)
    survey, found = audit_images(moved, Canonical(24, 75), sample=10, quiet=True)
    assert found["unreadable"] == len(survey.unreadable) == 10
    assert found["not_compared"].startswith("of 0 human and 0 AI images")
