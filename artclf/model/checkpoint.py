"""A classifier and its decision rule, from a checkpoint alone: no run folder, no configuration, no download."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO

from artclf.errors import ArtclfError
from artclf.evaluation.decision import DecisionRule
from artclf.model.classifier import FROZEN, ArtClassifier
from artclf.run_folder import beside, put_in_place

RULE = "judge"  # the key of a checkpoint under which its decision rule is kept


def find_checkpoint(run: Path) -> Path:
    """The best checkpoint of a run folder, or the file itself where one is named. ArtclfError if there is none."""
    if run.is_file():
        return run
    file = run / "checkpoints" / "best.ckpt"
    if file.is_file():
        return file
    if not run.exists():
        raise ArtclfError(f"{run}: there is no such run folder or checkpoint")
    raise ArtclfError(f"{run}: holds no checkpoints/best.ckpt (a run with callbacks=none keeps no weights)")


def load_classifier(file: Path) -> ArtClassifier:
    """Build a classifier from a checkpoint, in eval mode on the CPU. Only tensors and plain values are read from the file.

    Raises:
        ArtclfError: if the file is no checkpoint of artclf's.
    """
    try:
        content = _read(file)
        if FROZEN in content:
            raise ArtclfError(f"{file}: holds what a stage trains alone, for resume= to go on from; use best.ckpt")
        model = ArtClassifier(**content["hyper_parameters"])
        model.load_state_dict(content["state_dict"])
    except ArtclfError:
        raise  # said already; a backbone that needs timm, say
    except Exception as error:  # whatever a broken or a foreign file raises, it is no checkpoint of artclf's
        raise _foreign(file, error) from error
    return model.eval()


def read_decision_rule(file: Path) -> DecisionRule | None:
    """The decision rule that was saved with a model, if any. ArtclfError if the file is no checkpoint of artclf's."""
    try:
        content = _read(file, mapped=True).get(RULE)
        return None if content is None else DecisionRule.from_json(content)
    except Exception as error:  # as above
        raise _foreign(file, error) from error


def write_decision_rule(file: Path, rule: DecisionRule) -> None:
    """Save a decision rule with a model, in place of an earlier one. All else in the checkpoint stays.

    The file is replaced whole, and its hard links in the same folder (a stage's checkpoint) with it.

    Raises:
        ArtclfError: if the file is no checkpoint of artclf's, or can't be written.
    """
    try:
        content = _read(file)
        names = [other for other in file.parent.glob("*.ckpt") if other != file and other.samefile(file)]
        content[RULE] = rule.to_json()
    except Exception as error:  # as above
        raise _foreign(file, error) from error
    try:
        CheckpointFiles().save_checkpoint(content, file)
        for name in names:
            new = name.with_name(f"{name.name}.new")
            new.unlink(missing_ok=True)
            os.link(file, new)
            put_in_place(new, name)
    except OSError as error:
        raise ArtclfError(f"{file}: the verdicts' thresholds can't be saved with the model ({error})") from error


def _read(file: Path, *, mapped: bool = False) -> dict[str, Any]:
    """What a checkpoint holds. Mapped, the weights are not read from the disk before they are asked for."""
    content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    return content


def _foreign(file: Path, error: Exception) -> ArtclfError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ArtclfError(f"{file}: is no checkpoint of artclf's, or of another version: {reason}")


class CheckpointFiles(TorchCheckpointIO):
    """How Lightning writes checkpoints: under another name on the same disk, then put in place.

    Lightning's own way writes to the folder for temporary files, which may be another disk: moving it from there copies it,
    and a run killed meanwhile leaves half a checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:  # noqa: ARG002
        """Write tensors and plain values to a file. Lightning's `storage_options` are not used."""
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        new = beside(file)
        torch.save(checkpoint, new)
        put_in_place(new, file)
