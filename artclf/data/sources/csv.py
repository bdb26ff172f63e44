"""A CSV file with the manifest's columns."""

import csv
import logging
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from artclf.data.manifest import COLUMNS, HUMAN, Manifest
from artclf.data.sources.folder import existing_root
from artclf.errors import ArtclfError, nearest, printable

log = logging.getLogger(__name__)

NEEDED = ("path", "label")
SEPARATORS = ",;\t"


def read_csv(file: str | Path, root: str | Path | None = None) -> Manifest:
    """Read a table of images, whose fields are separated by commas, semicolons or tabs.

    Args:
        file: its columns are path and label, and may be generator, style and split, in any case; others are ignored, and so
            are empty lines. All but the first two may be empty.
        root: the folder that paths are relative to; None for the file's own.

    Raises:
        ArtclfError: where the file, a column or a listed image is missing, a line has too many fields, a path is duplicated,
            or a label is unknown.
    """
    file = Path(file).expanduser()
    if not file.is_file():
        raise ArtclfError(f"data.csv={file}: there is no such file (looked in {Path.cwd()}); type data.csv=FILE")
    table = _read_table(file)
    top = existing_root(root) if root else file.parent
    table["path"] = _find(table["path"].tolist(), top, file)
    twice = table["path"][table["path"].duplicated()]
    if len(twice):
        raise ArtclfError(f"data.csv={file}: {len(twice)} duplicate paths (first: {twice.iloc[0]})")
    table["label"] = table["label"].str.lower()
    table["style"] = table["style"].replace("", "unknown")
    table["generator"] = table["generator"].mask(table["label"] == HUMAN, HUMAN).replace("", "unknown")
    return Manifest.of(top, table.itertuples(index=False, name=None))


def _read_table(file: Path) -> pd.DataFrame:
    """The columns of a manifest, as text; those that are missing are empty. Spaces around fields do not count."""
    lines = _fields(file)
    header = [name.lower() for name in next(lines, (0, []))[1]]
    missing = [column for column in NEEDED if column not in header]
    if missing:
        hints = "".join(nearest(column, header) for column in missing)
        raise ArtclfError(
            f"data.csv={file}: has no column {', '.join(missing)}; got {', '.join(header) or 'none'}; needed: "
            f"{', '.join(NEEDED)}; allowed too: {', '.join(COLUMNS[2:])}{hints}"
        )
    twice = [column for column in COLUMNS if header.count(column) > 1]
    if twice:
        raise ArtclfError(f"data.csv={file}: has more than one column {', '.join(twice)}; keep one")
    rows = []
    for number, fields in lines:
        if any(fields[len(header) :]):
            raise ArtclfError(
                f"data.csv={file}: line {number} has {len(fields)} fields, the first line {len(header)}; put a field that "
                'holds the separator between quotes, as in "late, romantic"'
            )
        row = dict(zip(header, fields, strict=False))
        if not row["path"]:
            raise ArtclfError(f"data.csv={file}: line {number} has no path; each line but empty ones needs path and label")
        rows.append([row["path"], *(" ".join(row.get(column, "").split()) for column in COLUMNS[1:])])
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=str)


def _fields(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The number and the fields of each line that is not empty."""
    try:
        lines = file.read_text("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line, byte = error.object.count(b"\n", 0, error.start) + 1, error.object[error.start]
        raise ArtclfError(
            f"data.csv={file}: is no CSV table in UTF-8 (line {line} holds the byte {byte:#04x}); save it as CSV UTF-8"
        ) from error
    separator = max(SEPARATORS, key=next(filter(str.strip, lines), "").count)  # the comma where there is none
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=separator, skipinitialspace=True, strict=True)
    number = 1  # of the line on which the fields begin
    try:
        for fields in reader:
            stripped = [field.strip() for field in fields]
            if any(stripped):
                yield number, stripped
            number = reader.line_num + 1
    except csv.Error as error:
        reason = {"unexpected end of data": "a quote is never closed"}.get(str(error), str(error))
        raise ArtclfError(f"data.csv={file}: is no CSV table: line {number}: {reason}; save it as CSV UTF-8") from error


def _find(paths: list[str], top: Path, file: Path) -> list[str]:
    """The paths, spelled as the files are. ArtclfError where there is no such file."""
    names = [next((name for name in _spellings(path) if _exists(top, name)), "") for path in paths]
    absent = [path for path, name in zip(paths, names, strict=True) if not name]
    if absent:
        first = top / absent[0]
        beside = os.listdir(first.parent) if first.parent.is_dir() else []  # noqa: PTH208
        alike = [name for name in beside if name.casefold() == first.name.casefold()]
        raise ArtclfError(
            f"data.csv={file}: {len(absent)} of {len(paths)} images do not exist (first: {printable(str(first))}); paths are "
            f"relative to {top}, or type data.root=FOLDER{nearest(first.name, alike or beside)}"
        )
    respelled = sum(path != name for path, name in zip(paths, names, strict=True))
    if respelled:
        line = "data.csv=%s: %d paths were found though written with backslashes, or in another form of Unicode than the files"
        log.warning(line, file, respelled)
    return names


def _spellings(path: str) -> Iterator[str]:
    """A path as it is written, and as it may be spelled on this machine."""
    yield path
    slashed = path.replace("\\", "/")  # Windows
    yield slashed
    yield unicodedata.normalize("NFC", slashed)
    yield unicodedata.normalize("NFD", slashed)  # macOS


def _exists(top: Path, path: str) -> bool:
    return os.path.isfile(os.path.join(top, path))  # noqa: PTH113, PTH118 (far quicker)
