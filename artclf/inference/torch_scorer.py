"""A classifier as it is scored with: on its device, in a precision."""

import logging

import numpy as np
import torch

from artclf.data.reader import Pixels
from artclf.evaluation import Floats
from artclf.evaluation.decision import DecisionRule
from artclf.inference.finished_run import FinishedRun
from artclf.inference.score import Scorer
from artclf.model.checkpoint import load_classifier, read_decision_rule, rule_of
from artclf.model.classifier import ArtClassifier
from artclf.model.exported import SAFETENSORS, load_safetensors, read_header
from artclf.model.precision import autocast, resolve_precision
from artclf.runtime import keep_freed_memory

log = logging.getLogger(__name__)

BATCH = {"cpu": 16, "cuda": 64}  # squares


class TorchScorer(Scorer):
    """Scores images with a classifier.

    Args:
        network: in eval mode, on its device.
        precision: one of PRECISIONS.
    """

    def __init__(self, network: ArtClassifier, precision: str) -> None:
        self.network, self.precision = network, precision
        self.image_size, self.interpolation, self.canonical = network.image_size, network.interpolation, network.canonical
        self.batch = BATCH[network.device.type]

    def zeros(self, shape: tuple[int, ...]) -> Pixels:
        """In pinned memory, from which a CUDA device copies faster."""
        pinned = self.network.device.type == "cuda"
        zeros: Pixels = torch.zeros(shape, dtype=torch.uint8, pin_memory=pinned).numpy()
        return zeros

    def p_ai(self, pixels: Pixels) -> Floats:
        """Score squares, uint8 [B, 3, S, S] → p_ai [B]."""
        device = self.network.device
        with autocast(self.precision, device.type):
            scores = self.network.p_ai(torch.from_numpy(pixels).to(device, non_blocking=True))
        return np.asarray(scores.double().cpu())


def load_scorer(run: FinishedRun, precision: str = "auto") -> tuple[TorchScorer, DecisionRule | None]:
    """Load a model onto the GPU, if there is one, and its decision rule, if any; `precision` as in `choose_precision`."""
    keep_freed_memory()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if is_exported(run):
        network, rule = load_safetensors(run.checkpoint)
        tested = read_header(run.checkpoint)["about"].get("precision")
    else:
        network, rule = load_classifier(run.checkpoint), read_decision_rule(run.checkpoint)
        tested = run.metrics.get("precision")
    return TorchScorer(network.to(device), choose_precision(precision, tested, device)), rule


def is_exported(run: FinishedRun) -> bool:
    """Whether a model is a .safetensors file, which stays as it is."""
    return run.checkpoint.suffix == SAFETENSORS


def read_rule(run: FinishedRun) -> DecisionRule | None:
    """The decision rule of a model, if it has one. ArtclfError where its file is damaged."""
    file = run.checkpoint
    return rule_of({**read_header(file)}, file) if is_exported(run) else read_decision_rule(file)


def choose_precision(asked: str, tested: str | None, device: str) -> str:
    """Return the precision to compute in on a device, "cpu" or "cuda".

    "auto" is the one that the run was tested in, so that p_ai is what its report shows, slow as 32 bits may be. If that is
    unknown (None), or the device does not compute in it, it is the fastest one there.
    """
    if asked != "auto":
        return asked
    fastest = resolve_precision("auto", "gpu" if device == "cuda" else "cpu")
    if tested in {None, "32-true", fastest} or (tested, device) == ("16-mixed", "cuda"):
        return tested or fastest
    line = "the run was tested in %s, which this device does not compute in: in %s, p_ai can differ by some hundredths"
    log.warning(f"{line}; --precision %s insists, and is slow", tested, fastest, tested)
    return fastest
