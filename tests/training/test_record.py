import json
import subprocess
from pathlib import Path

import pytest

from artclf.training import record


def test_versions_name_what_figures_depend_on() -> None:
    assert {"python", "artclf", "torch", "torchvision", "lightning"} <= set(record.versions())


def test_json_is_strict(tmp_path: Path) -> None:
    record.write_json(tmp_path / "a.json", {"ä": 1, "none": None})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"ä": 1, "none": None}
    with pytest.raises(ValueError, match="JSON"):
        record.write_json(tmp_path / "b.json", {"loss": float("nan")})


def test_the_commit_is_that_of_the_source_tree() -> None:
    here = Path(record.__file__).parent
    told = subprocess.run(["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    commit = record.git_commit()
    if told.returncode:
        assert commit is None
    else:
        assert commit is not None
        assert commit.removesuffix("-dirty") == told.stdout.strip()


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert record.git_commit() is None
