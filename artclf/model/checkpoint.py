"""A classifier and the decision rule of its scores from a checkpoint alone, without run folder, configuration or download."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO

from artclf.errors import ArtclfError
from artclf.evaluation.decision import DecisionRule
from artclf.model.classifier import FORMAT, FROZEN, ArtClassifier
from artclf.run_folder import replacing

RULE = "decision_rule"  # a checkpoint's key


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


def read_checkpoint(file: Path, *, mapped: bool = False) -> dict[str, Any]:
    """Read tensors and plain values from a checkpoint; `mapped`: tensors only once they are used.

    Raises:
        ArtclfError: if the file is no checkpoint, or one of another version of artclf.
    """
    try:
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
        found = content["hyper_parameters"].get("format")
    except Exception as error:  # whatever a broken or a foreign file raises
        raise _foreign(file, error) from error
    if found != FORMAT:
        raise ArtclfError(
            f"{file}: the checkpoint is of another version of artclf (format {found}; this version reads {FORMAT}); train the "
            "network again"
        )
    return content


def load_classifier(file: Path) -> ArtClassifier:
    """Build a classifier from a checkpoint, in eval mode on the CPU. ArtclfError as `read_checkpoint`."""
    content = read_checkpoint(file)
    if FROZEN in content:
        raise ArtclfError(f"{file}: holds only what a stage trains, for resume= to continue from; use best.ckpt")
    try:
        model = ArtClassifier(**{key: value for key, value in content["hyper_parameters"].items() if key != "format"})
        model.load_state_dict(content["state_dict"])
    except ArtclfError:
        raise  # a backbone that needs timm, say
    except Exception as error:
        raise _foreign(file, error) from error
    return model.eval()


def read_decision_rule(file: Path) -> DecisionRule | None:
    """The decision rule that was saved with a model, if any. ArtclfError as `read_checkpoint`."""
    content = read_checkpoint(file, mapped=True).get(RULE)
    try:
        return None if content is None else DecisionRule.from_json(content)
    except Exception as error:
        raise _foreign(file, error) from error


def write_decision_rule(file: Path, rule: DecisionRule) -> None:
    """Save a decision rule in a model's checkpoint, in place of an earlier one. ArtclfError if that fails.

    The file is replaced as a whole, and so are its hard links in the same folder (a stage's checkpoint).
    """
    content = {**read_checkpoint(file), RULE: rule.to_json()}
    try:
        links = [other for other in file.parent.glob("*.ckpt") if other != file and other.samefile(file)]
        CheckpointFiles().save_checkpoint(content, file)
        for link in links:
            with replacing(link) as new:
                os.link(file, new)
    except OSError as error:
        raise ArtclfError(f"{file}: the decision rule can't be saved with the model ({error})") from error


def _foreign(file: Path, error: Exception) -> ArtclfError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ArtclfError(f"{file}: is no checkpoint of artclf's, or of another version: {reason}")


class CheckpointFiles(TorchCheckpointIO):
    """How Lightning writes checkpoints: under another name on the same disk, then renamed.

    Lightning itself writes to the folder for temporary files. Where that is another disk, renaming copies the file, and a run
    killed meanwhile leaves half a checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:  # noqa: ARG002
        """Write tensors and plain values to a file. Lightning's `storage_options` are not used."""
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as new, new.open("wb") as out:
            try:
                torch.save(checkpoint, out)
            except RuntimeError as error:  # torch's own, raised over the one of the file: a full disk, say
                raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None
