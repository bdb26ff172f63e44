import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from artclf import runtime
from artclf.cache.folder import cache_folder
from artclf.data.canonical import Canonical
from artclf.data.facts import Survey, survey_files
from artclf.data.manifest import Manifest
from artclf.data.pixels import hash_files
from artclf.data.sources.folder import read_folder
from artclf.inference import assess, audit


def test_the_commit_is_that_of_the_source_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["git", "-C", str(Path(runtime.__file__).parent), "rev-parse", "HEAD"]
    head = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (runtime.git_commit() or "").removesuffix("-dirty") == head.stdout.strip()
    monkeypatch.setenv("PATH", "")
    assert runtime.git_commit() is None


def test_the_same_files_are_audited_once(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = read_folder(pictures)
    table = manifest.table.assign(sha256=hash_files([pictures / path for path in manifest.table["path"]]))
    surveys: list[Manifest] = []

    def counted(one: Manifest, **options: Any) -> Survey:
        surveys.append(one)
        return survey_files(one, **options)

    monkeypatch.setattr(audit, "survey_files", counted)
    how = Canonical(24, 75), False, 40, 10**6
    relabelled = table.assign(label=table["label"].map({"ai": "human", "human": "ai"}))
    changed = table.assign(sha256="0" * 64)
    first, again, *others = (
        audit.audit_text(replace(manifest, table=rows), *how) for rows in (table, table, relabelled, changed)
    )
    assert first == again
    assert len({first, *others}) == len(surveys) == 3
    audit.audit_text(manifest, *how)  # files of unknown content
    audit.audit_text(manifest, *how)
    assert len(surveys) == 5
    for kept in (cache_folder() / "audits").glob("*/about.json"):
        kept.write_text("cut o")
    assert audit.audit_text(replace(manifest, table=table), *how) == first  # a damaged one is made anew
    assert len(surveys) == 6


def test_results_are_strict_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        assess.write_results(tmp_path, {"loss": float("nan")}, 0.0, report=False)
    assert not list(tmp_path.iterdir())
