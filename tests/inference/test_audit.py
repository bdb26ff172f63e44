import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from artclf.data.canonical import Canonical
from artclf.data.sources.folder import read_folder
from artclf.inference import audit


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_kept", {})


def run_of(pictures: Path, digests: bytes = b"a", canonical: Canonical | None = None) -> SimpleNamespace:
    """What an audit asks of a run's data."""
    config = SimpleNamespace(num_workers=0, max_pixels=10_000, image_size=32, canonical_side=None, canonical_quality=75)
    return SimpleNamespace(manifest=read_folder(pictures), digests=[digests], config=config, canonical=canonical)


def test_a_run_has_its_audit_written(pictures: Path, tmp_path: Path) -> None:
    audit.audit_run(tmp_path, run_of(pictures), 1000)
    found = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert found["compared"] == {"human": 16, "ai": 32}
    assert found["other_splits"] == ["unseen"]
    assert found["drawn_of"] is None


def test_pictures_are_looked_at_in_both_forms(pictures: Path, tmp_path: Path) -> None:
    audit.audit_run(tmp_path / "plain", run_of(pictures), 20)
    audit.audit_run(tmp_path / "form", run_of(pictures, canonical=Canonical(24, 75)), 20)
    plain, form = (json.loads((tmp_path / name / "audit.json").read_text(encoding="utf-8")) for name in ("plain", "form"))
    assert (plain["canonical"], form["canonical"]) == (False, True)
    assert form["canonical_pixel_statistics"] == plain["canonical_pixel_statistics"]
    assert form["canonical_pixel_statistics"]["top"]
    assert form["pixel_statistics"]["auroc"] == plain["pixel_statistics"]["auroc"]


def test_the_same_pictures_are_audited_once(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    whole = audit.audit_pictures

    def counted(*given: object, **settings: object) -> object:
        looked.append(1)
        return whole(*given, **settings)

    monkeypatch.setattr(audit, "audit_pictures", counted)
    for folder in ("one", "two"):
        audit.audit_run(tmp_path / folder, run_of(pictures), 20)
    assert len(looked) == 1
    assert (tmp_path / "one" / "audit.json").read_text() == (tmp_path / "two" / "audit.json").read_text()
    assert json.loads((tmp_path / "one" / "audit.json").read_text())["drawn_of"] == 52
    audit.audit_run(tmp_path / "three", run_of(pictures, b"other bytes"), 20)
    assert len(looked) == 2


def test_none_is_written_where_none_is_asked_for(pictures: Path, tmp_path: Path) -> None:
    audit.audit_run(tmp_path, run_of(pictures), 0)
    assert not list(tmp_path.iterdir())


def test_a_picture_that_is_gone_does_not_stop_a_run(pictures: Path, tmp_path: Path) -> None:
    run = run_of(pictures)
    run.manifest = type(run.manifest)(tmp_path / "moved", run.manifest.table)
    audit.audit_run(tmp_path / "run", run, 10)
    found = json.loads((tmp_path / "run" / "audit.json").read_text(encoding="utf-8"))
    assert found["unreadable"] == 10
    assert "no picture could be read" in found["unjudged"]
