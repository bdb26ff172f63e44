import hashlib
from pathlib import Path

import pandas as pd
import pytest

from artclf.data.inspection import check_share, inspect_files
from artclf.errors import ArtclfError
from tests.conftest import draw


def test_every_file_is_hashed_or_refused_with_a_reason(tmp_path: Path) -> None:
    draw(tmp_path / "good.png", "ai", 1)
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("no picture")
    looks = inspect_files(tmp_path, ["empty.png", "good.png", "gone.png", "text.jpg"], max_pixels=10_000, threads=2)
    assert looks["sha256"].tolist() == ["", hashlib.sha256((tmp_path / "good.png").read_bytes()).hexdigest(), "", ""]
    assert looks["reason"][1] == ""
    assert all(looks["reason"][[0, 2, 3]])


def test_a_picture_over_the_limit_is_refused(tmp_path: Path) -> None:
    draw(tmp_path / "large.png", "ai", 1, size=(101, 100))
    assert "101" in inspect_files(tmp_path, ["large.png"], max_pixels=10_000, threads=1)["reason"][0]


def test_too_many_rejected_files_stop_the_run() -> None:
    rejected = pd.DataFrame({"path": ["a.png"], "reason": ["empty file"]})
    check_share(rejected, 20, allowed=0.05, listed=None)
    with pytest.raises(ArtclfError, match=r"1 of 19 pictures.*data.max_rejected=0.05.*a.png: empty file; all are in .*x.csv"):
        check_share(rejected, 19, allowed=0.05, listed=Path("x.csv"))
