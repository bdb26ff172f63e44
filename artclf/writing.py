"""Files that are either the old or the new one, whole: what is killed while it writes leaves the old one."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO


def write_text(file: Path, text: str) -> None:
    """Write a text file under another name, then put it in place."""
    new = _beside(file)
    new.write_text(text, encoding="utf-8", newline="\n")
    put_in_place(new, file)


class CheckpointFiles(TorchCheckpointIO):
    """How Lightning writes checkpoints: under another name on the same disk, then put in place.

    Lightning's own way writes to the folder for temporary files, which may be another disk: moving it from there copies it,
    and a run killed meanwhile leaves half a checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:  # noqa: ARG002
        """Write a checkpoint.

        Args:
            checkpoint: tensors and plain values.
            path: the file.
            storage_options: not used; part of Lightning's interface.
        """
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        new = _beside(file)
        torch.save(checkpoint, new)
        put_in_place(new, file)


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.new")


def put_in_place(new: Path, file: Path) -> None:
    """Give a file that has been written its final name, in place of an older one."""
    with new.open("r+b") as written:  # Windows flushes only what is open for writing
        os.fsync(written.fileno())  # else a power cut may leave an empty file under the final name
    new.replace(file)
