"""The page of `artclf predict --to FILE.html`: thumbnails of what was predicted, the likeliest AI images first."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from heapq import nlargest
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from artclf.data.facts import perceptual_hash
from artclf.data.images import UnreadableImage, decoded_image
from artclf.data.sources.folder import IMAGES
from artclf.errors import printable
from artclf.evaluation.duplicates import find_duplicates
from artclf.provenance.read import CAUTION
from artclf.provenance.statement import AI, HUMAN, NOTHING
from artclf.report.render import as_jpeg, write_page
from artclf.runtime import cores, progress

MOST_SHOWN = 10_000  # images: their thumbnails take about 50 MB
SIDE = 144  # pixels of the longer side of a thumbnail

Row = dict[str, Any]


def write_triage(to: Path, rows: Iterable[Row], run: str, max_pixels: int, cases: Mapping[str, str] | None = None) -> None:
    """Write the page. It needs no network and no other file.

    Args:
        to: the page.
        rows: a dict for each image: path, p_ai (None where it can't be read), calibrated, verdict, reason and provenance. Of
            more than 10,000, those of the highest p_ai are shown.
        run: what predicted them.
        max_pixels: as they were read with.
        cases: path → the address of the image's case file.
    """
    verdicts, provenance, unreadable = Counter[str](), Counter[str](), []

    def readable() -> Iterator[Row]:
        for row in rows:
            if row["p_ai"] is None:
                unreadable.append(row | {"path": printable(row["path"])})
            else:
                verdicts[row["verdict"]] += 1
                provenance[row["provenance"]] += 1
                yield row

    shown = nlargest(MOST_SHOWN, readable(), key=lambda row: row["p_ai"])

    def look(row: Row) -> Row:
        try:
            with decoded_image(row["path"], max_pixels=max_pixels, shorter_side=SIDE) as image:
                looks = perceptual_hash(image)
                image.thumbnail((SIDE, SIDE))
                return row | {"hash": looks, "thumbnail": as_jpeg(image, quality=60)}
        except UnreadableImage as error:  # it was there a while ago
            return row | {"hash": "", "missing": error.reason}

    with ThreadPoolExecutor(cores()) as pool:
        shown = list(progress(pool.map(look, shown), "Making thumbnails", len(shown)))
    below = _common_folder(shown)
    for row in shown:
        row["name"] = printable(os.path.relpath(row["path"], below) if below else row["path"])
        if IMAGES.fullmatch(Path(row["path"]).suffix.lower()):  # a browser might run what a file of another name holds
            row["link"] = quote(os.fsencode(os.path.relpath(row["path"], to.parent)))
        row["case"] = (cases or {}).get(row["path"], "")
    write_page(
        to,
        "triage.html",
        run=run,
        below=printable(below),
        groups=_by_look(shown),
        shown=len(shown),
        verdicts=verdicts,
        provenance=provenance,
        states=(AI, HUMAN, NOTHING),
        unreadable=pd.DataFrame(unreadable, columns=["path", "reason"]),
        caution=CAUTION,
    )


def _common_folder(rows: list[Row]) -> str:
    """The folder that all images lie in; "" where there is none."""
    try:
        return os.path.commonpath([Path(row["path"]).parent for row in rows])
    except ValueError:  # no images, or relative and absolute paths
        return ""


def _by_look(rows: list[Row]) -> list[list[Row]]:
    """Put near duplicates together, where the first of them stands."""
    if not rows:
        return []
    table = pd.DataFrame([{"path": row["path"], "sha256": str(number), "hash": row["hash"]} for number, row in enumerate(rows)])
    _, numbers = find_duplicates(table.assign(label="", split=""))
    groups: dict[int, list[Row]] = {}
    for row, number in zip(rows, numbers.tolist(), strict=True):
        groups.setdefault(number, []).append(row)
    return list(groups.values())
