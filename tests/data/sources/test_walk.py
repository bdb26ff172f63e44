import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from artclf.data.sources.walk import pictures
from artclf.errors import ArtclfError


def test_pictures_come_by_name_and_hidden_ones_not_at_all(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/1.JPG", "a/x.webp", "a/notes.txt", "a/.thumb.png", ".cache/y.png", "noname"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in pictures(tmp_path)] == [
        "noname",
        "a/x.webp",
        "b/1.JPG",
        "b/2.png",
    ]


def test_a_folder_that_cannot_be_opened_is_named_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    scandir = os.scandir

    def refusing(path: Any) -> Iterator[Any]:  # a test may run as root, who can open everything
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(ArtclfError, match=r"closed: this folder can't be read \(permission denied\)"):
        list(pictures(tmp_path))
