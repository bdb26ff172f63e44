"""A classifier and the decision rule of its scores from a checkpoint alone, without run folder, configuration or download."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from pydantic import ValidationError

from artclf.errors import ArtclfError, reason_of
from artclf.evaluation.decision import DecisionRule
from artclf.model.backbones import load_onnx
from artclf.model.classifier import FORMAT, FROZEN, ArtClassifier
from artclf.model.heads import HEADS
from artclf.model.hyperparameters import HyperParameters, require_valid
from artclf.model.weights import not_finite
from artclf.run_folder import first_mismatch, replacing

RULE = "decision_rule"  # a checkpoint's key, as the next
DIGEST = "digest"  # the SHA-256 of its weights and of the optimiser's state: torch checks no sums when it reads a file


def read_checkpoint(file: Path, *, mapped: bool = False) -> dict[str, Any]:
    """Read tensors and plain values from a checkpoint; `mapped`: tensors only once they are used.

    Raises:
        ArtclfError: if the file is no checkpoint, or one of another version of artclf, or can't be right: impossible
            hyper-parameters; or, unless `mapped`, weights that are not finite, or no longer those that were saved.
    """
    try:
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
        content["hyper_parameters"].get("format")
    except Exception as error:  # whatever a broken or a foreign file raises
        raise foreign(file, error) from error
    require_readable(content["hyper_parameters"], file)
    if not mapped:
        require_sound(content, file)
    return content


def require_readable(hyper_parameters: Mapping[str, Any], file: Path) -> None:
    """Raise an ArtclfError where a file is of another version of artclf, or its hyper-parameters are impossible."""
    if (found := hyper_parameters.get("format")) != FORMAT:
        raise ArtclfError(
            f"{file}: the model is of another version of artclf (format {found}; this version reads {FORMAT}); train the "
            "network again"
        )
    require_valid(HyperParameters, hyper_parameters, str(file))


def require_sound(content: Mapping[str, Any], file: Path) -> None:
    """Raise an ArtclfError where the weights of a file are not finite, or not those that were saved."""
    try:
        bad, changed = not_finite(content["state_dict"]), content.get(DIGEST) not in (None, digest(content))
    except Exception as error:  # weights that are no tensors, or none at all
        raise foreign(file, error) from error
    if bad:
        raise ArtclfError(f"{file}: its weights can't be right: {bad} holds NaN or infinity; take another checkpoint")
    if changed:
        raise ArtclfError(f"{file}: is damaged: its weights are not those that were saved; take an undamaged copy of the file")


def digest(content: Mapping[str, Any]) -> str:
    """The SHA-256 of a checkpoint's weights and of its optimisers' tensors, with their names."""
    sha = hashlib.sha256()

    def add(name: str, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            sha.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            sha.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        elif isinstance(value, Mapping | list | tuple):
            for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
                add(f"{name}.{key}", item)

    for key in ("state_dict", "optimizer_states"):
        add(key, content.get(key))
    return sha.hexdigest()


def load_classifier(file: Path) -> ArtClassifier:
    """Build a classifier from a checkpoint, in eval mode on the CPU. ArtclfError as `read_checkpoint`."""
    content = read_checkpoint(file)
    if FROZEN in content:
        raise ArtclfError(f"{file}: holds only what a stage trains, for resume= to continue from; use best.ckpt")
    return build_classifier(content, file)


def build_classifier(content: Mapping[str, Any], file: Path) -> ArtClassifier:
    """Build a classifier from what was read from a file. ArtclfError where its weights do not fit its hyper-parameters."""
    try:
        values = {key: value for key, value in content["hyper_parameters"].items() if key != "format"}
        if values["library"] == "onnx":  # the encoder itself is in the checkpoint
            pooled = not HEADS[values["head"]["name"]].of_patches
            size = values["preprocessing"]["image_size"]
            values["backbone"] = load_onnx(content["state_dict"]["body.model"], size, values["weights"], pooled=pooled)
        else:
            _require_shapes(values, content["state_dict"])
        model = ArtClassifier(**values)
        model.load_state_dict(content["state_dict"])
    except ArtclfError as error:  # a backbone that needs timm, say
        raise ArtclfError(f"{file}: {error}") from error
    except Exception as error:
        raise foreign(file, error) from error
    return model.eval()


def _require_shapes(values: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> None:
    """Compare the network that is described with the weights there are, before memory is taken for it: ValueError."""
    with torch.device("meta"):
        wanted = ArtClassifier(**values).state_dict()
    for key, value in wanted.items():
        found = state.get(key)
        if found is None or found.shape != value.shape:
            got = "none" if found is None else list(found.shape)
            raise ValueError(f"{values['name']} has {key} of {list(value.shape)}, and the file {got}")


def read_decision_rule(file: Path) -> DecisionRule | None:
    """The decision rule that was saved with a model, if any. ArtclfError as `read_checkpoint`."""
    return rule_of(read_checkpoint(file, mapped=True), file)


def rule_of(content: Mapping[str, Any], file: Path) -> DecisionRule | None:
    """The decision rule in what was read from a file, if any. ArtclfError where it is none."""
    try:
        return None if content.get(RULE) is None else DecisionRule.from_json(content[RULE])
    except Exception as error:
        raise foreign(file, error) from error


def write_decision_rule(file: Path, rule: DecisionRule, *, verify: bool = True) -> None:
    """Save a decision rule in a model's checkpoint, in place of an earlier one.

    The file is replaced as a whole, and so are its hard links in the same folder (a stage's checkpoint). Its weights keep their
    digest.

    Args:
        file: the checkpoint.
        rule: of its scores.
        verify: whether its weights are compared with their digest first; this process may just have written them.

    Raises:
        ArtclfError: it can't be written, or is damaged.
    """
    content = {**read_checkpoint(file, mapped=not verify), RULE: rule.to_json()}
    try:
        links = [other for other in file.parent.glob("*.ckpt") if other != file and other.samefile(file)]
        write_checkpoint(content, file)
        for link in links:
            with replacing(link) as new:
                os.link(file, new)
    except OSError as error:
        raise ArtclfError(f"{file}: the decision rule can't be saved with the model ({error})") from error


def write_checkpoint(content: Mapping[str, Any], file: Path) -> None:
    """Write tensors and plain values to a file. OSError where the disk is full, say."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as new, new.open("wb") as out:
        try:
            torch.save(content, out)
        except RuntimeError as error:  # torch's own, raised over the one of the file
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


def foreign(file: Path, error: Exception) -> ArtclfError:
    """The error for a file that holds no model, or not wholly."""
    reason = first_mismatch(error) if isinstance(error, ValidationError) else reason_of(error)
    return ArtclfError(f"{file}: is no model of artclf's, or of another version: {reason}")


class CheckpointFiles(TorchCheckpointIO):
    """How Lightning writes checkpoints: under another name on the same disk, then renamed.

    Lightning itself writes to the folder for temporary files. Where that is another disk, renaming copies the file, and a run
    killed meanwhile leaves half a checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:  # noqa: ARG002
        """Write tensors and plain values to a file. Lightning's `storage_options` are not used."""
        if "state_dict" in checkpoint:
            checkpoint = {**checkpoint, DIGEST: digest(checkpoint)}
        write_checkpoint(checkpoint, Path(path))
