import subprocess
from pathlib import Path

import pytest

from artclf.inference import assess


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
