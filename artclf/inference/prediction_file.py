"""The file of `artclf predict --to`: predictions as they come, goes on after an interruption, and becomes a table or a page."""

import csv
import hashlib
import json
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from heapq import nlargest
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from artclf.data.files import UnreadableImage
from artclf.errors import ArtclfError, printable
from artclf.evaluation.decision import DIGITS
from artclf.inference.predict import Model, Prediction
from artclf.report.triage_page import write_triage
from artclf.run_folder import replacing
from artclf.runtime import progress

log = logging.getLogger(__name__)

Row = dict[str, Any]


class PredictionFile:
    """Predictions on their way to a file. Until it is complete, they are kept in FILE.partial, a line of JSON for each.

    Args:
        to: the file; its suffix (one of FORMATS) says in which form.
        model: what predicts.
        views: in how many deliveries.
        cases: of how many images, those of the highest p_ai, a page links a case file, in a folder beside it.

    Raises:
        ArtclfError: there is no such form, or FILE.partial is of another model or other options, or of another process.
    """

    def __init__(self, to: Path, model: Model, views: int = 0, cases: int = 0) -> None:
        if to.suffix not in FORMATS:
            raise ArtclfError(f"--to {to}: allowed are files that end in {', '.join(FORMATS)}")
        self.to, self.model, self.cases = to, model, cases
        self.partial = to.with_name(f"{to.name}.partial")
        with model.run.checkpoint.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        options = {"precision": model.scorer.precision, "max_pixels": model.max_pixels, "views": views}
        self.about: Row = {"model": digest, **options}
        to.parent.mkdir(parents=True, exist_ok=True)
        self.done = self._done()

    def _done(self) -> set[str]:
        """The images that an interrupted command has predicted; what it was writing when it ended is cut off."""
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
            raise ArtclfError(f"{self.partial}: is of another model or other options; delete it, or type the same again")
        if len(whole) < len(content):
            self.partial.write_bytes(whole)
        return done

    def remaining(self, files: list[Path]) -> list[Path]:
        """The files that are still to be predicted."""
        return [file for file in files if printable(str(file)) not in self.done]

    @contextmanager
    def writing(self) -> Iterator[Callable[[Prediction], None]]:
        """Yield a function that writes a prediction at once. ArtclfError where another process is writing."""
        from filelock import FileLock, Timeout  # noqa: PLC0415 (loads asyncio)

        lock = FileLock(f"{self.partial}.lock", blocking=False)
        try:
            with lock, self.partial.open("a", encoding="utf-8", buffering=1, newline="\n") as file:
                if not file.tell():
                    file.write(json.dumps(self.about) + "\n")
                yield lambda found: _write(file, found)
        except Timeout as error:
            raise ArtclfError(f"{self.to}: another process is writing it; wait until it ends, or stop it") from error
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)

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
    scores = {"p_ai": found.p_ai, "calibrated": found.calibrated}
    numbers = {name: None if math.isnan(value) else round(value, DIGITS) for name, value in scores.items()}
    file.write(json.dumps({**asdict(found), **numbers, "path": printable(str(found.path))}) + "\n")


def _as_csv(predictions: PredictionFile) -> None:
    with replacing(predictions.to) as new, new.open("w", encoding="utf-8", newline="") as file:
        columns = [name for name in Prediction.__dataclass_fields__ if name != "views"]
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(predictions.rows())


def _as_json(predictions: PredictionFile) -> None:
    """One list, or with .jsonl an object a line."""
    start, between, end = ("", "\n", "\n") if predictions.to.suffix == ".jsonl" else ("[\n", ",\n", "\n]\n")
    with replacing(predictions.to) as new, new.open("w", encoding="utf-8", newline="\n") as file:
        for number, row in enumerate(predictions.rows()):
            file.write((between if number else start) + json.dumps(row, ensure_ascii=False))
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
