"""The file of `artclf predict --to`: predictions as they come, goes on after an interruption, and becomes a table or a page."""

import csv
import json
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from heapq import nlargest
from itertools import chain
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from artclf.data.files import UnreadableImage
from artclf.data.sources.folder import image_files
from artclf.errors import ArtclfError, plain_cell, printable
from artclf.evaluation.decision import DIGITS
from artclf.inference.predict import Model, Prediction
from artclf.report.triage_page import write_triage
from artclf.run_folder import locked, replacing
from artclf.runtime import progress

log = logging.getLogger(__name__)

Row = dict[str, Any]


class PredictionFile:
    """Predictions on their way to a file. Until it is complete, they are kept in FILE.partial, a line of JSON for each.

    Args:
        to: the file; its suffix (one of FORMATS) says in which form.
        model: what predicts.
        images: files, and folders of them.
        views: in how many deliveries.
        cases: of how many images, those of the highest p_ai, a page links a case file, in a folder beside it.

    Raises:
        ArtclfError: there is no such form.
    """

    def __init__(self, to: Path, model: Model, images: Sequence[Path], views: int = 0, cases: int = 0) -> None:
        if to.suffix not in FORMATS:
            raise ArtclfError(f"--to {to}: allowed are files that end in {', '.join(FORMATS)}")
        self.to, self.model, self.images, self.cases = to, model, images, cases
        self.partial = to.with_name(f"{to.name}.partial")
        options = {"precision": model.scorer.precision, "max_pixels": model.max_pixels, "views": views}
        self.about: Row = {"model": model.run.sha256, **options, "images": [printable(str(image)) for image in images]}
        self.done: set[str] = set()  # the images that an interrupted command has predicted

    def _done(self) -> set[str]:
        """Read which images are in FILE.partial; a line that was being written when the command ended is cut off."""
        if not self.partial.exists():
            return set()
        content = self.partial.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        try:
            first, *rows = [json.loads(line) for line in whole.splitlines()] or [self.about]
            same, done = first == self.about, {row["path"] for row in rows}
        except (ValueError, TypeError, KeyError) as error:
            raise ArtclfError(f"{self.partial}: is damaged; delete it, and all images are predicted again") from error
        if not same:
            raise ArtclfError(
                f"{self.partial}: is of another model, other images or other options; delete it, or type the same again"
            )
        if len(whole) < len(content):
            self.partial.write_bytes(whole)
        return done

    def remaining(self) -> list[Path]:
        """The files that are still to be predicted, each once. ArtclfError where a folder can't be opened."""
        files = dict.fromkeys(chain.from_iterable(map(image_files, self.images)))
        return [file for file in files if str(file) not in self.done]

    @contextmanager
    def writing(self) -> Iterator[Callable[[Prediction], None]]:
        """Yield a function that writes a prediction at once, after those in FILE.partial.

        ArtclfError where that is damaged, or of another model or other options, or another process is writing.
        """
        self.to.parent.mkdir(parents=True, exist_ok=True)
        busy = f"{self.to}: another process is writing it; wait until it ends, or stop it"
        with locked(Path(f"{self.partial}.lock"), busy) as held:
            if not held:
                log.warning("%s: this file system has no locks: make sure that no other process writes it", self.to)
            self.done = self._done()
            with self.partial.open("a", encoding="utf-8", buffering=1, newline="\n") as file:
                if not file.tell():
                    file.write(json.dumps(self.about) + "\n")
                yield lambda found: _write(file, found)

    def rows(self) -> Iterator[Row]:
        """The predictions, in the order in which they were made."""
        with self.partial.open(encoding="utf-8") as file:
            next(file)
            for line in file:
                yield json.loads(line)

    def finish(self) -> None:
        """Write the file, and remove FILE.partial."""
        FORMATS[self.to.suffix](self)
        self.partial.unlink()


def _write(file: IO[str], found: Prediction) -> None:
    file.write(json.dumps(as_row(found)) + "\n")


def as_row(found: Prediction) -> Row:
    """A prediction as it is kept: rounded, None in place of NaN."""
    scores = {"p_ai": found.p_ai, "calibrated": found.calibrated}
    numbers = {name: None if math.isnan(value) else round(value, DIGITS) for name, value in scores.items()}
    return {**asdict(found), **numbers, "path": str(found.path)}


def write_csv(file: IO[str], rows: Iterable[Row]) -> None:
    """Write predictions as CSV."""
    columns = [name for name in Prediction.__dataclass_fields__ if name != "views"]
    writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"path": plain_cell(row["path"])} for row in rows)


def _as_csv(predictions: PredictionFile) -> None:
    with replacing(predictions.to) as new, new.open("w", encoding="utf-8", newline="") as file:
        write_csv(file, predictions.rows())


def _as_json(predictions: PredictionFile) -> None:
    """One list, or with .jsonl an object a line."""
    start, between, end = ("", "\n", "\n") if predictions.to.suffix == ".jsonl" else ("[\n", ",\n", "\n]\n")
    with replacing(predictions.to) as new, new.open("w", encoding="utf-8", newline="\n") as file:
        for number, row in enumerate(predictions.rows()):
            file.write((between if number else start) + json.dumps(row | {"path": printable(row["path"])}, ensure_ascii=False))
        file.write(end)


def _as_html(predictions: PredictionFile) -> None:
    model = predictions.model
    cases = _write_cases(predictions) if predictions.cases else {}
    write_triage(predictions.to, predictions.rows(), str(model.run.given), model.max_pixels, cases)


def _write_cases(predictions: PredictionFile) -> dict[str, str]:
    """Path → the address of its case file, from the page."""
    from artclf.inference.case import write_case  # noqa: PLC0415 (loads torch)

    folder = predictions.to.with_name(f"{predictions.to.stem}_cases")
    readable = (row for row in predictions.rows() if row["verdict"])
    likeliest = nlargest(predictions.cases, readable, key=lambda row: row["p_ai"])
    written = {}
    for number, row in enumerate(progress(likeliest, "Writing case files", len(likeliest)), start=1):
        try:
            page = write_case(
                predictions.model, Path(row["path"]), folder / f"{number:05}.html", views=predictions.about["views"]
            )
            written[row["path"]] = f"{quote(folder.name)}/{page.name}"
        except UnreadableImage as error:  # it was there a while ago
            log.warning("%s", error)
    return written


FORMATS = {".csv": _as_csv, ".json": _as_json, ".jsonl": _as_json, ".html": _as_html}
