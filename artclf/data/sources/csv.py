"""A CSV file with the manifest's columns."""

import csv
import logging
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from artclf.data.manifest import COLUMNS, HUMAN, Manifest
from artclf.data.sources.folder import existing_root
from artclf.errors import ArtclfError, nearest, printable

log = logging.getLogger(__name__)

NEEDED = ("path", "label")
SEPARATORS = ",;\t"
_SAVE = "save it as CSV UTF-8"
# How a path may be spelled on another machine: tried in turn where there is no file of the path as it is written.
_SPELLINGS: dict[str, Callable[[str], str]] = {
    "with backslashes": lambda path: path.replace("\\", "/"),
    "with accents in another form of Unicode (NFD)": lambda path: unicodedata.normalize("NFC", path.replace("\\", "/")),
    "with accents in another form of Unicode (NFC)": lambda path: unicodedata.normalize("NFD", path.replace("\\", "/")),
}


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
    lines = _fields(_decode(file), file)
    header = [name.lower() for name in next(lines, (0, []))[1]]
    missing = [column for column in NEEDED if column not in header]
    if missing:
        hints = "".join(nearest(column, header) for column in missing)
        raise ArtclfError(
            f"data.csv={file}: has no column {', '.join(missing)}; got {', '.join(header) or 'none'}; needed: "
            f"{', '.join(NEEDED)}; allowed too: {', '.join(COLUMNS[2:])}{hints}"
        )
    twice = [name for name, number in Counter(header).items() if number > 1 and name in COLUMNS]
    if twice:
        raise ArtclfError(f"data.csv={file}: has more than one column {', '.join(twice)}; keep one")
    places = [header.index(column) if column in header else None for column in COLUMNS]
    rows = []
    for number, fields in lines:
        if len(fields) > len(header) and any(fields[len(header) :]):
            raise ArtclfError(
                f"data.csv={file}: line {number} has {len(fields)} fields, the first line {len(header)}; put a field that "
                'holds the separator between quotes, as in "late, romantic"'
            )
        row = ["" if place is None or place >= len(fields) else fields[place] for place in places]
        if not row[0]:
            raise ArtclfError(f"data.csv={file}: line {number} has no path; each line but empty ones needs path and label")
        rows.append([row[0], *(" ".join(field.split()) for field in row[1:])])
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=str)


def _decode(file: Path) -> str:
    content = file.read_bytes()
    if content.startswith(b"PK\3\4"):
        raise ArtclfError(f"data.csv={file}: is no CSV table but a workbook of a spreadsheet; {_SAVE}")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        raise ArtclfError(f"data.csv={file}: is no CSV table in UTF-8: it looks like UTF-16; {_SAVE}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ArtclfError(
            f"data.csv={file}: is no CSV table in UTF-8: line {line} holds byte {content[error.start]:#04x}; it may be Latin-1 "
            f"or Windows-1252: {_SAVE}"
        ) from error


def _fields(text: str, file: Path) -> Iterator[tuple[int, list[str]]]:
    """The number and the fields of each line that is not empty."""
    lines = text.splitlines(keepends=True) if "\n" not in text else text.split("\n")
    first = next((line for line in lines if line.strip()), "")
    separator = max(SEPARATORS, key=first.count)  # the comma where there is none
    told = len(first.strip()) == len("sep=;") and first.lower().startswith("sep=")  # Excel's line about the separator
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=separator, skipinitialspace=True, strict=True)
    number = 1  # of the line on which the fields begin
    try:
        for fields in reader:
            stripped = [field.strip() for field in fields]
            if any(stripped) and not (told and number == 1):
                yield number, stripped
            number = reader.line_num + 1
    except csv.Error as error:
        reason = {"unexpected end of data": "a quote is never closed"}.get(str(error), str(error))
        raise ArtclfError(f"data.csv={file}: is no CSV table: line {number}: {reason}") from error


def _find(paths: list[str], top: Path, file: Path) -> list[str]:
    """The paths, spelled as the files are. ArtclfError where there is no such file."""
    found, absent, respelled = [], [], Counter[str]()
    for path in paths:
        spelled = path
        if not _exists(top, path):
            name = next((name for name, spell in _SPELLINGS.items() if _exists(top, spell(path))), None)
            if name is None:
                absent.append(path)
                continue
            respelled[name] += 1
            spelled = _SPELLINGS[name](path)
        found.append(spelled)
    if absent:
        first = top / absent[0]
        beside = os.listdir(first.parent) if first.parent.is_dir() else []  # noqa: PTH208
        alike = [name for name in beside if name.casefold() == first.name.casefold()]
        hints = [f"; did you mean {alike[0]}?" if alike else nearest(first.name, beside)]
        hints += ["; write / in place of backslashes"] if "\\" in absent[0] else []
        hints += ["; its accents may be written in another form of Unicode"] if not absent[0].isascii() else []
        raise ArtclfError(
            f"data.csv={file}: {len(absent)} of {len(paths)} images do not exist (first: {printable(str(first))}); paths are "
            f"relative to {top}, or type data.root=FOLDER{''.join(hints)}"
        )
    for name, number in respelled.items():
        log.warning("data.csv=%s: %d paths are written %s; they were found all the same", file, number, name)
    return found


def _exists(top: Path, path: str) -> bool:
    return os.path.isfile(os.path.join(top, path))  # noqa: PTH113, PTH118 (far quicker)
