"""An exported model as it is scored with: in ONNX Runtime, without torch."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import ValidationError

from artclf.config.preprocessing import Preprocessing
from artclf.config.schema import Section
from artclf.data.canonical import Canonical
from artclf.data.reader import ImageReader, PillowReader, Pixels
from artclf.errors import ArtclfError, needing, reason_of
from artclf.evaluation import Floats
from artclf.evaluation.decision import DecisionRule
from artclf.inference.score import Scorer
from artclf.run_folder import first_mismatch
from artclf.runtime import cores

ONNX = ".onnx"
FORMAT = 1  # of the metadata
KEY = "artclf"  # of the metadata, among an ONNX file's own
INPUT, OUTPUT = "pixels", "p_ai"  # uint8 [B, 3, S, S] and float [B]


class Exported(Section):
    """The metadata of an exported model, which its file holds as JSON."""

    format: Literal[1]
    artclf: str  # the version that wrote it
    preprocessing: Preprocessing  # mean and std for the record: the graph itself normalises
    labels: list[str]
    decision_rule: dict[str, Any] | None
    model: str
    weights: str  # where the network began
    run: str
    data: str | None
    precision: str | None  # that the run was tested in
    date: str  # of the export


class OnnxScorer(Scorer):
    """Scores images with an exported model, on the CPU in 32 bits (or 8, where it was quantised).

    Raises:
        ArtclfError: onnxruntime is not installed, or the file is not what `artclf export` writes, or is damaged.
    """

    reads: ClassVar[type[ImageReader]] = PillowReader
    batch = 16
    precision = "as exported"

    def __init__(self, file: Path) -> None:
        self._session = open_session(file)
        self.about, self.rule = _read_metadata(file, self._session.get_modelmeta().custom_metadata_map)
        shown = self.about.preprocessing
        self.image_size, self.interpolation = shown.image_size, shown.interpolation
        self.canonical = Canonical(**shown.canonical.model_dump()) if shown.canonical else None
        inputs = [(one.name, one.type, one.shape[1:]) for one in self._session.get_inputs()]
        if inputs != [(INPUT, "tensor(uint8)", [3, self.image_size, self.image_size])]:
            raise ArtclfError(f"{file}: takes {inputs}, not the pixels that its metadata describes; export the model again")

    def p_ai(self, pixels: Pixels) -> Floats:
        """Score squares, uint8 [B, 3, S, S] → p_ai [B]."""
        (scores,) = self._session.run([OUTPUT], {INPUT: pixels})
        return np.asarray(scores, dtype=np.float64)


def open_session(file: Path) -> Any:
    """Open an ONNX file on the CPU. ArtclfError where onnxruntime is not installed or can't read it."""
    if not file.is_file():
        raise ArtclfError(f"{file}: there is no such file")
    with needing(f"{file}:", "pip install onnxruntime"):
        import onnxruntime  # noqa: PLC0415 (an extra)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    options.log_severity_level = 3  # errors alone
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class of error for each cause
        raise ArtclfError(f"{file}: is no ONNX model that onnxruntime can read: {reason_of(error)}") from error


def _read_metadata(file: Path, found: dict[str, str]) -> tuple[Exported, DecisionRule | None]:
    if KEY not in found:
        raise ArtclfError(f"{file}: was not written by artclf export: it has no metadata {KEY!r}, so its input is unknown")
    try:
        about = Exported.model_validate_json(found[KEY])
        return about, DecisionRule.from_json(about.decision_rule) if about.decision_rule else None
    except ValueError as error:
        reason = first_mismatch(error) if isinstance(error, ValidationError) else reason_of(error)
        raise ArtclfError(
            f"{file}: its metadata is damaged, or of another version of artclf: {reason}; export the model again"
        ) from error
