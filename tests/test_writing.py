from pathlib import Path
from typing import Any

import pytest
import torch

from artclf.model import checkpoint
from artclf.model.checkpoint import CheckpointFiles
from artclf.run_folder import write_text


def test_what_breaks_off_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "checkpoints" / "last.ckpt"
    CheckpointFiles().save_checkpoint({"epoch": 1}, file)

    def half(content: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint.torch, "save", half)
    with pytest.raises(OSError, match="no space"):
        CheckpointFiles().save_checkpoint({"epoch": 2}, file)
    assert torch.load(file, weights_only=True) == {"epoch": 1}


def test_a_text_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_text(file, "one")
    linked = tmp_path / "linked"
    linked.hardlink_to(file)
    write_text(file, "zwei ✓")
    assert file.read_text(encoding="utf-8") == "zwei ✓"
    assert linked.read_text() == "one"  # a new file was put in its place
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "linked"]
