"""A CSV file with the manifest's columns."""

import logging
import os
import unicodedata
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from artclf.data.manifest import COLUMNS, HUMAN, OPTIONAL, Manifest
from artclf.data.sources.folder import existing_root
from artclf.errors import ArtclfError, nearest, printable

log = logging.getLogger(__name__)

NEEDED = ("path", "label")
ALLOWED = (*COLUMNS, *OPTIONAL)
SEPARATORS = ",;\t"


def read_csv(file: str | Path, root: str | Path | None = None) -> Manifest:
    """Read a table of images, whose fields are separated by commas, semicolons or tabs.

    Args:
        file: its columns are path and label, and may be generator, style, split, source and year, in any case; others are
            ignored, and so are empty lines. All but the first two may be empty.
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
    return Manifest.of(top, table.itertuples(index=False, name=None), list(table.columns))


def _read_table(file: Path) -> pd.DataFrame:
    """The columns of a manifest, as text; those that are missing are empty. Spaces around fields do not count."""
    try:
        text = file.read_text("utf-8-sig")
        separator = max(SEPARATORS, key=next(filter(str.strip, text.split("\n")), "").count)  # the comma where there is none
        # without a header, and with empty lines, pandas counts lines as an editor does
        options: Any = {"header": None, "dtype": str, "keep_default_na": False, "skipinitialspace": True}
        table: pd.DataFrame = pd.read_csv(StringIO(text), sep=separator, skip_blank_lines=False, **options).fillna("")
    except UnicodeDecodeError as error:
        line, byte = error.object.count(b"\n", 0, error.start) + 1, error.object[error.start]
        raise ArtclfError(
            f"data.csv={file}: is no CSV table in UTF-8 (line {line} holds the byte {byte:#04x}); save it as CSV UTF-8"
        ) from error
    except pd.errors.EmptyDataError:
        table = pd.DataFrame([[""]])
    except pd.errors.ParserError as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise ArtclfError(
            f"data.csv={file}: is no CSV table ({reason}); close each quote, and put a field that holds the separator between "
            'quotes, as in "late, romantic"'
        ) from error
    table = table.apply(lambda column: column.str.strip())
    table = table[(table != "").any(axis=1)]
    header = table.iloc[0].str.lower().tolist() if len(table) else []
    named = [column for column in ALLOWED if header.count(column) == 1]
    if not {*NEEDED} <= {*named} or any(header.count(column) > 1 for column in ALLOWED):
        hints = "".join(nearest(column, header) for column in NEEDED if column not in header)
        raise ArtclfError(
            f"data.csv={file}: got the columns {', '.join(header) or 'none'}; needed, once each: {', '.join(NEEDED)}; allowed "
            f"too: {', '.join(ALLOWED[2:])}{hints}"
        )
    columns = [column for column in ALLOWED if column in COLUMNS or column in named]
    table = table.iloc[1:].set_axis(header, axis=1)[named].reindex(columns=columns, fill_value="")
    without = table.index[table["path"] == ""]
    if len(without):
        raise ArtclfError(f"data.csv={file}: line {without[0] + 1} has no path; each line but empty ones needs path and label")
    rest = columns[1:]
    table[rest] = table[rest].apply(lambda column: column.str.split().str.join(" "))
    return table


def _find(paths: list[str], top: Path, file: Path) -> list[str]:
    """The paths, spelled as the files are: Windows writes backslashes, macOS another form of Unicode.

    Raises:
        ArtclfError: where there is no such file.
    """

    def spelled(path: str) -> str:
        slashed = path.replace("\\", "/")
        spellings = (path, slashed, unicodedata.normalize("NFC", slashed), unicodedata.normalize("NFD", slashed))
        return next((one for one in spellings if os.path.isfile(os.path.join(top, one))), "")  # noqa: PTH113, PTH118 (quick)

    names = [spelled(path) for path in paths]
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
