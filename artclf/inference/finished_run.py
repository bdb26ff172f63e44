"""A trained model: its checkpoint, the run that it comes from, and the precision to compute in."""

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from artclf.data.manifest import SHA256
from artclf.errors import ArtclfError
from artclf.evaluation.decision import DecisionRule
from artclf.model.checkpoint import find_checkpoint, load_classifier, read_decision_rule
from artclf.model.classifier import ArtClassifier
from artclf.model.precision import resolve_precision
from artclf.run_folder import MANIFEST_FILE, METRICS_FILE, read_metrics, read_table
from artclf.runtime import keep_freed_memory

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinishedRun:
    """A trained model, and what is known of its training."""

    given: Path  # the run folder or checkpoint, as it was typed
    checkpoint: Path
    folder: Path | None  # the run folder; None where the checkpoint lies in none
    metrics: dict[str, Any]  # metrics.json; empty without a run folder

    @property
    def root(self) -> Path | None:
        """The folder of the run's images; None where it is unknown."""
        root = Path((self.metrics.get("data") or {}).get("root") or "")
        return root if root.is_absolute() else None

    @cached_property
    def images(self) -> pd.DataFrame:
        """The run's manifest.csv, empty without a run folder. ArtclfError where the file is empty or lacks a column."""
        if self.folder is None:
            return pd.DataFrame(columns=["path", "split"])
        file = self.folder / MANIFEST_FILE
        table = read_table(file, ("path", "split"))
        if table is None:
            raise ArtclfError(f"{file}: is empty; run the training again")
        return table

    @property
    def training_known(self) -> bool:
        """Whether it is known which images the model was trained on."""
        return self.root is not None or SHA256 in self.images


def find_run(given: Path) -> FinishedRun:
    """Find the model of a run folder or a checkpoint. ArtclfError where there is none, or metrics.json is damaged."""
    checkpoint = find_checkpoint(given)
    folder = checkpoint.absolute().parent.parent
    known = all((folder / name).is_file() for name in (METRICS_FILE, MANIFEST_FILE))
    return FinishedRun(given, checkpoint, folder if known else None, read_metrics(folder) if known else {})


def load_model(run: FinishedRun, precision: str) -> tuple[ArtClassifier, DecisionRule | None, str]:
    """Load a model onto the GPU, if there is one, with its decision rule, if it has one, and the precision to compute in."""
    keep_freed_memory()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, rule = load_classifier(run.checkpoint).to(device), read_decision_rule(run.checkpoint)
    return model, rule, choose_precision(precision, run.metrics.get("precision"), device)


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
    line = "the run was tested in %s, which this device does not compute in: in %s, p_ai can differ by some thousandths"
    log.warning(f"{line}; --precision %s insists, and is slow", tested, fastest, tested)
    return fastest
