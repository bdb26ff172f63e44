"""A CSV file with the manifest's columns."""

import os
from pathlib import Path

import pandas as pd

from artclf.data.manifest import COLUMNS, HUMAN, Manifest
from artclf.data.sources.folder import existing_root
from artclf.errors import ArtclfError, nearest


def read_csv(file: str | Path, root: str | Path | None = None) -> Manifest:
    """Read a table of images.

    Args:
        file: its columns are path, label, generator, style and split; others are ignored. The last three may be empty.
        root: the folder that paths are relative to; None for the file's own.

    Raises:
        ArtclfError: where the file, a column or a listed image is missing, a path is duplicated, or a label is unknown.
    """
    file = Path(file).expanduser()
    if not file.is_file():
        raise ArtclfError(f"data.csv={file}: there is no such file (looked in {Path.cwd()}); type data.csv=FILE")
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ArtclfError(f"data.csv={file}: is no CSV table in UTF-8: {str(error).strip().splitlines()[0]}") from error
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        hints = "".join(nearest(column, table.columns) for column in missing)
        raise ArtclfError(
            f"data.csv={file}: has no column {', '.join(missing)}; got {', '.join(table.columns)}; "
            f"needed: {', '.join(COLUMNS)}{hints}"
        )
    top = existing_root(root) if root else file.parent
    table = table[list(COLUMNS)].apply(lambda column: column.str.strip())
    absent = [path for path in table["path"] if not os.path.isfile(os.path.join(top, path))]  # noqa: PTH113, PTH118 (far quicker)
    if absent:
        raise ArtclfError(
            f"data.csv={file}: {len(absent)} of {len(table)} images do not exist (first: {top / absent[0]}); "
            f"paths are relative to {top}, or type data.root=FOLDER"
        )
    twice = table["path"][table["path"].duplicated()]
    if len(twice):
        raise ArtclfError(f"data.csv={file}: {len(twice)} duplicate paths (first: {twice.iloc[0]})")
    table["label"] = table["label"].str.lower()
    table["style"] = table["style"].replace("", "unknown")
    table["generator"] = table["generator"].mask(table["label"] == HUMAN, HUMAN).replace("", "unknown")
    return Manifest.of(top, table)
