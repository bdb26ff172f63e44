"""`artclf export`: a finished model as one file, which is written only if it scores images as its checkpoint does."""

import shutil
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from artclf.data.files import DEFAULT_MAX_PIXELS
from artclf.data.reader import Pixels
from artclf.data.sampling import draw_sample
from artclf.data.sources import read_any
from artclf.errors import ArtclfError, reason_of, without_folders
from artclf.evaluation import Floats
from artclf.evaluation.decision import AI, HUMAN, DecisionRule, default_rule
from artclf.inference.finished_run import FinishedRun, Selection, find_run, own_images, select_images
from artclf.inference.onnx_scorer import FORMAT, INPUT, KEY, ONNX, OUTPUT, Exported, OnnxScorer
from artclf.inference.score import Scorer, score_images
from artclf.inference.torch_scorer import TorchScorer
from artclf.model.checkpoint import load_classifier, read_decision_rule
from artclf.model.classifier import ArtClassifier
from artclf.model.exported import SAFETENSORS, load_safetensors, save_safetensors
from artclf.run_folder import read_table, replacing

INSTALL_EXPORT = 'pip install "artclf[export]"'
TOLERANCE, TOLERANCE_INT8 = 0.01, 0.05  # of p_ai; docs/export.md says why
CALIBRATION = 200  # validation images that the ranges of int8 are measured on, at most
EXACT = "32-true"  # precision of the checkpoint beside the export, which computes in 32 bits too


@dataclass(frozen=True)
class Difference:
    """How other scores of the same images differ."""

    most: float  # the greatest of p_ai; NaN where a score is none
    changed: dict[tuple[str, str], int]  # verdict, another by the other scores → images

    @classmethod
    def of(cls, before: Floats, after: Floats, rule: DecisionRule) -> "Difference":
        """Between scores [N]."""
        pairs = Counter(zip(rule.verdicts(before), rule.verdicts(after), strict=True))
        changed = {verdicts: count for verdicts, count in pairs.items() if verdicts[0] != verdicts[1]}
        return cls(float(np.abs(before - after).max()), changed)

    def __str__(self) -> str:
        kinds = ", ".join(f"{count:,} {before} → {after}" for (before, after), count in self.changed.items())
        changed = f"verdicts that changed: {sum(self.changed.values()):,}{kinds and f' ({kinds})'}"
        return f"by {self.most:.2g} at most, {changed}"


@dataclass(frozen=True)
class Parity:
    """How an exported model scores test images beside its checkpoint."""

    data: str
    images: int  # that were scored
    difference: Difference
    tolerance: float
    reported: Difference | None  # from predictions.csv, where the run was tested in another precision
    tested_in: str | None  # the precision
    unreadable: pd.DataFrame  # path, relative to the root, and reason
    root: Path

    @property
    def holds(self) -> bool:
        """Whether no score differs by more than the tolerance."""
        return self.difference.most <= self.tolerance

    def __str__(self) -> str:
        line = f"{self.images:,} test images of {self.data}: p_ai differs from the checkpoint's, computed in 32 bits too, "
        line += f"{self.difference} (tolerance {self.tolerance:g})"
        if self.reported is not None:
            line += f"\nfrom the run's own predictions, computed in {self.tested_in}: {self.reported}"
        return line


def export(
    given: Path,
    to: Path,
    *,
    int8: bool = False,
    tolerance: float | None = None,
    images: Path | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Parity:
    """Export a model with its preprocessing and decision rule; nothing is written where the parity does not hold.

    Args:
        given: a run folder or a checkpoint.
        to: FILE.onnx or FILE.safetensors, in place of an older one.
        int8: whether weights and activations are quantised to 8 bits.
        tolerance: how much p_ai of an image may differ; None: TOLERANCE or TOLERANCE_INT8.
        images: compare on these; None: on the images that the run was tested on.
        max_pixels: an image with more is refused.

    Raises:
        ArtclfError: an extra is missing, the network can't be exported, or the images are gone.
    """
    if to.suffix not in (ONNX, SAFETENSORS) or (int8 and to.suffix != ONNX):
        raise ArtclfError(f"--to {to}: allowed: FILE{ONNX}, and without --int8 FILE{SAFETENSORS}")
    run = find_run(given)
    network, rule = load_classifier(run.checkpoint), read_decision_rule(run.checkpoint)
    selection = _images(run, images)
    calibration, tested = _split(selection, int8=int8)
    scorer = TorchScorer(network, EXACT)
    read = scorer.reader(max_pixels).read
    with TemporaryDirectory(prefix="artclf-export-") as folder:
        made = Path(folder, to.name)
        if to.suffix == ONNX:
            write_graph(network, made)
            if int8:
                _quantise(made, (read(selection.manifest.root / path)[None] for path in calibration["path"]))
            _write_metadata(made, _metadata(run, network, rule))
            exported: Scorer = OnnxScorer(made)
        else:
            save_safetensors(network, rule, run.about, made)
            exported = TorchScorer(load_safetensors(made)[0], EXACT)
        tolerance = (TOLERANCE_INT8 if int8 else TOLERANCE) if tolerance is None else tolerance
        parity = _compare(run, (scorer, exported), rule or default_rule(""), selection, tested, tolerance, max_pixels)
        if parity.holds:
            with replacing(to) as new:
                shutil.copyfile(made, new)
    return parity


# ---- the graph


class _Graph(nn.Module):
    """Pixels, uint8 [B, 3, S, S] → p_ai [B]: normalisation and sigmoid are inside."""

    def __init__(self, network: ArtClassifier) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.network(pixels))


def write_graph(network: ArtClassifier, file: Path) -> None:
    """Write a network, in eval mode on the CPU, as an ONNX file without metadata: `_Graph` with any batch size B.

    ArtclfError where it can't be exported, or an extra is missing.
    """
    name = network.hparams["name"]
    if network.hparams["library"] == "onnx":
        raise ArtclfError(
            f"{name}: can't be exported to ONNX, as the body of this network is an ONNX encoder; type --to FILE{SAFETENSORS}"
        )
    pixels = torch.zeros(2, 3, network.image_size, network.image_size, dtype=torch.uint8)
    batch = {INPUT: {0: torch.export.Dim("batch")}}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)  # of torch 2.11, about its own code
            program = torch.onnx.export(
                _Graph(network).eval(),
                (pixels,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=batch,
                dynamo=True,
                verbose=False,
            )
            assert program is not None  # it is with dynamo
        program.save(file, external_data=False)
    except ModuleNotFoundError as error:
        raise ArtclfError(f"artclf export needs {error.name}, which is not installed; type {INSTALL_EXPORT}") from error
    except (torch.onnx.OnnxExporterError, ValueError) as error:  # ValueError: over 2 GiB, which one ONNX file can't hold
        raise ArtclfError(f"{name}: can't be exported to ONNX: {reason_of(error)}; type --to FILE{SAFETENSORS}") from error


def _quantise(file: Path, calibration: Iterator[Pixels]) -> None:
    """Quantise to 8 bits, statically: ranges are measured on calibration images, uint8 [1, 3, S, S] each.

    Normalisation, the first convolution and the head stay in 32 bits: a few percent of the work, and what loses most. All else
    is quantised, also activations between convolutions: left out, their inputs get ranges that are too wide. Weights have a
    scale for each channel.
    """
    import onnx  # noqa: PLC0415 (an extra)
    from onnxruntime.quantization import QuantType, quantize_static  # noqa: PLC0415 (so too)
    from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: PLC0415

    quant_pre_process(file, file, skip_symbolic_shape=True)
    nodes = onnx.load(file).graph.node
    convolutions = [place for place, node in enumerate(nodes) if node.op_type == "Conv"]
    kept = [node.name for node in nodes[: convolutions[0] + 1]] if convolutions else []
    if len(convolutions) > 1:  # else, in a transformer, the rest is the body
        kept += [node.name for node in nodes[convolutions[-1] + 1 :]]
    feeds = ({INPUT: pixels} for pixels in calibration)
    reader = SimpleNamespace(get_next=lambda: next(feeds, None))
    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(file, file, reader, per_channel=True, nodes_to_exclude=kept, **types)


def _write_metadata(file: Path, metadata: Exported) -> None:
    """Add what a reader has to know, in place of what tools have noted (where torch's source lies on this machine, say)."""
    import onnx  # noqa: PLC0415 (an extra)

    model = onnx.load(file)
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.helper.set_model_props(model, {KEY: without_folders(metadata.model_dump_json())})
    onnx.save(model, file)


def _metadata(run: FinishedRun, network: ArtClassifier, rule: DecisionRule | None) -> Exported:
    values: dict[str, Any] = {
        "format": FORMAT,
        "preprocessing": network.hparams["preprocessing"],
        "labels": [HUMAN, AI],
        "decision_rule": rule.to_json() if rule else None,
        "model": network.hparams["name"],
        "weights": Path(network.hparams["weights"]).name,
        **run.about,
    }
    return Exported.model_validate(values)


# ---- the gate


def _images(run: FinishedRun, images: Path | None) -> Selection:
    if images is not None:
        return select_images(run, read_any(images), images.name)
    return own_images(run, remedy=f"type artclf export {run.given} --to FILE --images FOLDER, which has ai/ and human/")


def _split(selection: Selection, *, int8: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Images to calibrate int8 on, at most CALIBRATION, and to compare on: a fifth of the latter where none validated."""
    table = selection.manifest.table
    validated, tested = table[table["split"] == "val"], table[table["split"] == "test"]
    if not int8:
        return validated.head(0), tested
    if validated.empty:
        validated, tested = tested.iloc[::5], tested.drop(tested.index[::5])
    return validated.iloc[draw_sample(validated, min(CALIBRATION, len(validated)), 0)], tested


def _compare(
    run: FinishedRun,
    scorers: tuple[Scorer, Scorer],
    rule: DecisionRule,
    selection: Selection,
    tested: pd.DataFrame,
    tolerance: float,
    max_pixels: int,
) -> Parity:
    """Score images by the checkpoint and by the export, from files, each with its own reader."""
    root = selection.manifest.root
    (own, unreadable), (other, _) = (score_images(one, root, tested, one.reader(max_pixels).read) for one in scorers)
    if own.empty:
        raise ArtclfError(f"{selection.name}: none of its {len(tested):,} images can be read")
    both = own.merge(other, on="path", how="left", suffixes=("", "_exported"))  # a score that is none is left out of `other`
    tested_in, reported = run.metrics.get("precision"), None
    if run.folder and selection.own and tested_in != EXACT and isinstance(scorers[1], OnnxScorer):
        table = read_table(run.folder / "predictions.csv", ("path",), ("p_ai",))
        if table is not None:
            joined = both.merge(table[["path", "p_ai"]], on="path", suffixes=("", "_reported"))
            reported = Difference.of(_numbers(joined, "p_ai_reported"), _numbers(joined, "p_ai_exported"), rule)
    return Parity(
        data=selection.name,
        images=len(own),
        difference=Difference.of(_numbers(both, "p_ai"), _numbers(both, "p_ai_exported"), rule),
        tolerance=tolerance,
        reported=reported,
        tested_in=tested_in,
        unreadable=unreadable,
        root=root,
    )


def _numbers(table: pd.DataFrame, column: str) -> Floats:
    return table[column].to_numpy(dtype=float)
