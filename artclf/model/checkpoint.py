"""A classifier from a checkpoint alone: no run folder, no configuration, no download."""

from pathlib import Path

import torch

from artclf.errors import ArtclfError
from artclf.model.classifier import FROZEN, ArtClassifier


def find_checkpoint(run: Path) -> Path:
    """The best checkpoint of a run folder, or the file itself where one is named.

    Raises:
        ArtclfError: where there is none.
    """
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
        ArtclfError: where the file is no checkpoint of artclf's.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        if FROZEN in content:
            raise ArtclfError(f"{file}: holds what a stage trains alone, for resume= to go on from; use best.ckpt")
        model = ArtClassifier(**content["hyper_parameters"])
        model.load_state_dict(content["state_dict"])
    except ArtclfError:
        raise  # said already; a backbone that needs timm, say
    except Exception as error:  # whatever a broken or a foreign file raises, it is no checkpoint of artclf's
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtclfError(f"{file}: is no checkpoint of artclf's, or of another version: {reason}") from error
    return model.eval()
