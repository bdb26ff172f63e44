"""Random samples of a manifest's files, stratified by split, label, generator and style."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from artclf.data.images import UnreadableImage, read_image


def draw_sample(table: pd.DataFrame, number: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw a random sample, in proportion to splits, labels, generators and, within these, styles.

    Each combination of split, label and generator gives at least one file, if the number allows it.

    Args:
        table: a manifest's table.
        number: how many files; at most as many as there are.
        seed: the same table and seed give the same sample.

    Returns:
        Positions in the table, ascending, [number].
    """
    rng = np.random.default_rng(seed)
    rows = table[["split", "label", "generator", "style"]].reset_index(drop=True).sample(frac=1, random_state=rng)
    parts = rows.groupby(["split", "label", "generator"], sort=True).ngroup()
    styles = rows.groupby(["split", "label", "generator", "style"], sort=True).ngroup()
    # systematic sampling: the files of each style are laid out at equal distances from a random start
    start = styles.map(dict(enumerate(rng.random(styles.max() + 1))))
    place = (styles.groupby(styles).cumcount() + start) / styles.groupby(styles).transform("size")
    parts = parts[place.sort_values(kind="stable").index]
    turn = parts.groupby(parts).cumcount() / parts.groupby(parts).transform("size")
    chosen = turn.sort_values(kind="stable").index[:number]
    return np.sort(chosen.to_numpy(dtype=np.int64))


def draw_test_pictures(table: pd.DataFrame, sample: int, seed: int) -> pd.DataFrame:
    """Draw at most `sample` test images with `draw_sample`: equally many of both classes, as far as there are."""
    tested = table[table["split"] == "test"]
    human, ai = tested[tested["label"] == "human"], tested[tested["label"] == "ai"]
    of_human = min(len(human), max(sample // 2, sample - len(ai)))
    parts = ((human, of_human), (ai, min(len(ai), sample - of_human)))
    return pd.concat([rows.iloc[draw_sample(rows, number, seed)] for rows, number in parts if number] or [tested])


def draw_pictures(
    root: Path, rows: pd.DataFrame, *, number: int, side: int, seed: int = 0
) -> tuple[list[tuple[npt.NDArray[np.uint8], str]], list[tuple[str, str]]]:
    """Draw and decode at most `number` random images, one of each style in turn.

    Args:
        root: the folder that paths are relative to.
        rows: of a manifest's table.
        number: how many images; the search also ends after as many that can't be read.
        side: pixels of the longer side, to which larger images are scaled down.
        seed: of the sample.

    Returns:
        ([H, W, 3], style) of each image, by style; and (path, reason) of those that can't be read.
    """
    shuffled = rows.sample(frac=1, random_state=np.random.default_rng(seed))
    in_turn = shuffled.iloc[np.argsort(shuffled.groupby("style").cumcount().to_numpy(), kind="stable")]
    drawn: list[tuple[npt.NDArray[np.uint8], str]] = []
    refused: list[tuple[str, str]] = []
    for path, style in zip(in_turn["path"], in_turn["style"], strict=True):
        if len(drawn) == number or len(refused) == number:
            break
        try:
            image = read_image(root / path)
        except UnreadableImage as error:
            refused.append((path, error.reason))
        else:
            image.thumbnail((side, side))
            drawn.append((np.asarray(image), style))
    return sorted(drawn, key=lambda image: image[1]), refused
