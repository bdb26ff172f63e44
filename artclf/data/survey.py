"""The facts of many files at once: of all that a manifest lists, or of a sample that takes from every part its share."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.console import Console
from rich.progress import track

from artclf.data.facts import FileFacts, read_facts
from artclf.data.images import DEFAULT_MAX_PIXELS, UnreadableImage, read_image
from artclf.data.manifest import COLUMNS, Manifest

DEFAULT_SAMPLE = 5_000
"""Files read where no other number is asked for: a share is then known to within 1.4 points (two standard errors)."""

_CHUNK = 64  # files to a task: one task each for 185,015 files would cost more than the reading
_FACTS = [field.name for field in fields(FileFacts)]
_TYPES = {"jpeg_quality": "Int64", "quality_exact": "boolean"}  # with gaps: other formats have none


@dataclass(frozen=True)
class Survey:
    """What the files of a manifest tell without their pixels.

    Attributes:
        manifest: all the files.
        facts: a row for each file that was read: the manifest's columns, and those of `FileFacts`.
        unreadable: a row for each that could not be: path, label, reason.
    """

    manifest: Manifest
    facts: pd.DataFrame
    unreadable: pd.DataFrame

    @property
    def looked_at(self) -> int:
        """How many files were opened."""
        return len(self.facts) + len(self.unreadable)


def survey_files(
    manifest: Manifest,
    *,
    sample: int | None = DEFAULT_SAMPLE,
    seed: int = 0,
    threads: int = 4,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    quiet: bool = False,
) -> Survey:
    """Read the facts of a manifest's files, or of a sample of them.

    Args:
        manifest: the files.
        sample: how many are read, drawn by `draw_sample`; None for all.
        seed: of the sample.
        threads: how many at a time. A disk that has to seek is waited for less; from memory, more threads bring nothing.
        max_pixels: a picture with more counts as unreadable.
        quiet: show no progress.
    """
    table = manifest.table[list(COLUMNS)]
    if sample is not None and sample < len(table):
        table = table.iloc[draw_sample(table, sample, seed)]
    table = table.reset_index(drop=True)
    paths = [manifest.root / path for path in table["path"]]

    def look(start: int) -> list[FileFacts | str]:
        found: list[FileFacts | str] = []
        for path in paths[start : start + _CHUNK]:
            try:
                found.append(read_facts(path, max_pixels=max_pixels))
            except UnreadableImage as error:
                found.append(error.reason)
        return found

    starts = range(0, len(paths), _CHUNK)
    with ThreadPoolExecutor(max(1, threads)) as pool:
        bar = Console(stderr=True, quiet=quiet)  # what is printed may be piped elsewhere
        chunks = track(pool.map(look, starts), "Reading headers", total=len(starts), transient=True, console=bar)
        looks = [look for chunk in chunks for look in chunk]
    read = np.array([isinstance(look, FileFacts) for look in looks], dtype=bool)
    columns = pd.DataFrame([astuple(look) for look in looks if isinstance(look, FileFacts)], columns=_FACTS).astype(_TYPES)
    facts = pd.concat([table[read].reset_index(drop=True), columns], axis=1)
    reasons = [look for look in looks if isinstance(look, str)]
    unreadable = table.loc[~read, ["path", "label"]].assign(reason=reasons).reset_index(drop=True)
    return Survey(manifest, facts, unreadable)


def draw_sample(table: pd.DataFrame, number: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw files by lot, in proportion to splits, labels, generators and, within these, styles.

    Each combination of split, label and generator gives one file at least, where the number allows it.

    Args:
        table: a manifest's table.
        number: how many; at most as many as there are.
        seed: of the lots. The same table and seed give the same sample.

    Returns:
        Positions in the table, ascending, [number].
    """
    rng = np.random.default_rng(seed)
    rows = table[["split", "label", "generator", "style"]].reset_index(drop=True).sample(frac=1, random_state=rng)
    parts = rows.groupby(["split", "label", "generator"], sort=True).ngroup()
    styles = rows.groupby(["split", "label", "generator", "style"], sort=True).ngroup()
    # systematic sampling: the files of a style are laid out at even distances from a start by lot, and so in all styles
    start = styles.map(dict(enumerate(rng.random(styles.max() + 1))))
    place = (styles.groupby(styles).cumcount() + start) / styles.groupby(styles).transform("size")
    parts = parts[place.sort_values(kind="stable").index]
    turn = parts.groupby(parts).cumcount() / parts.groupby(parts).transform("size")
    chosen = turn.sort_values(kind="stable").index[:number]
    return np.sort(chosen.to_numpy(dtype=np.int64))


def draw_test_pictures(table: pd.DataFrame, sample: int, seed: int) -> pd.DataFrame:
    """Draw test pictures by lot: as many of either class where there are so many, each generator and style in its share.

    Args:
        table: of a manifest, or predictions.csv.
        sample: how many at most.
        seed: of the lots.
    """
    tested = table[table["split"] == "test"]
    people, ai = tested[tested["label"] == "human"], tested[tested["label"] == "ai"]
    of_people = min(len(people), max(sample // 2, sample - len(ai)))
    parts = ((people, of_people), (ai, min(len(ai), sample - of_people)))
    return pd.concat([rows.iloc[draw_sample(rows, number, seed)] for rows, number in parts if number])


def draw_pictures(
    root: Path, rows: pd.DataFrame, *, number: int, side: int, seed: int = 0
) -> tuple[list[tuple[npt.NDArray[np.uint8], str]], list[tuple[str, str]]]:
    """Draw pictures by lot, the styles in turn and the commonest first, and decode them.

    Args:
        root: the folder that paths are relative to.
        rows: of a manifest's table.
        number: how many at most.
        side: pixels of the longer side, to which larger pictures are scaled down.
        seed: of the lots.

    Returns:
        ([H, W, 3], style) of each that can be read, by style; and (path, reason) of those met on the way that cannot: after
        as many as asked for, the search ends.
    """
    shuffled = rows.sample(frac=1, random_state=np.random.default_rng(seed))
    commonest = -shuffled["style"].map(shuffled["style"].value_counts())
    shuffled = shuffled.assign(turn=shuffled.groupby("style").cumcount(), commonest=commonest)
    shuffled = shuffled.sort_values(["turn", "commonest", "style"], kind="stable").head(2 * number)
    drawn: list[tuple[npt.NDArray[np.uint8], str]] = []
    refused: list[tuple[str, str]] = []
    for path, style in zip(shuffled["path"], shuffled["style"], strict=True):
        if len(drawn) == number or len(refused) == number:
            break
        try:
            image = read_image(root / path)
        except UnreadableImage as error:
            refused.append((path, error.reason))
        else:
            image.thumbnail((side, side))
            drawn.append((np.asarray(image), style))
    return sorted(drawn, key=lambda picture: picture[1]), refused
