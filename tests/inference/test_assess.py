import subprocess
from pathlib import Path

import pytest

from artclf.data.facts import survey_files
from artclf.data.reader import Canonical
from artclf.data.sources.folder import read_folder
from artclf.inference import assess
from artclf.inference.audit import audit_survey


def test_the_commit_is_that_of_the_source_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["git", "-C", str(Path(assess.__file__).parent), "rev-parse", "HEAD"]
    head = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (assess.git_commit() or "").removesuffix("-dirty") == head.stdout.strip()
    monkeypatch.setenv("PATH", "")
    assert assess.git_commit() is None


def test_results_are_strict_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        assess.write_results(tmp_path, {"loss": float("nan")}, 0.0, report=False)
    assert not list(tmp_path.iterdir())


def test_an_audit_measures_a_sample_in_both_forms(pictures: Path) -> None:
    form = Canonical(24, 75)
    survey = survey_files(read_folder(pictures), sample=20, canonical=form)
    found = audit_survey(survey, canonical=form)
    assert (found["canonical"], found["drawn_of"], found["images"], found["unreadable"]) == (True, 52, 52, 0)
    assert found["canonical_pixel_statistics"]["top"]
    assert found["pixel_statistics"]["top"]
