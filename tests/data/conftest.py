"""Shared by the tests of data."""

from pathlib import Path

import pytest

from artclf.data.manifest import Manifest
from artclf.data.sources.folder import read_folder
from tests.conftest import draw


@pytest.fixture
def damaged(tmp_path: Path) -> Manifest:
    for number in range(3):
        draw(tmp_path / "ai" / "sd" / "oil" / f"{number}.png", "ai", number)
        draw(tmp_path / "human" / "ink" / f"{number}.jpg", "human", number)
    (tmp_path / "human" / "empty.png").write_bytes(b"")
    (tmp_path / "ai" / "sd" / "text.jpg").write_text("no image")
    return read_folder(tmp_path)
