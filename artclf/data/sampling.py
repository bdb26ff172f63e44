"""Random samples of a manifest's files, stratified by split, label, generator and style."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from artclf.data.images import DEFAULT_MAX_PIXELS, UnreadableImage, read_image


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
    keys = ["split", "label", "generator", "style"]
    rows = table[keys].reset_index(drop=True).sample(frac=1, random_state=rng)
    groups, styles = rows.groupby(keys[:3]).ngroup(), rows.groupby(keys).ngroup()
    # systematic sampling: within its group, the files of a style are placed at equal distances from a random start, and
    # the groups' files likewise, from 0
    start = styles.map(pd.Series(rng.random(styles.max() + 1)))
    place_in_group = _spread(styles, start).sort_values(kind="stable")
    place = _spread(groups[place_in_group.index]).sort_values(kind="stable")
    return np.sort(place.index[:number].to_numpy(dtype=np.int64))


def _spread(groups: pd.Series, start: pd.Series | int = 0) -> pd.Series:
    """Place the members of each group at equal distances from 0 to 1, in the order given."""
    members = groups.groupby(groups)
    return (members.cumcount() + start) / members.transform("size")


def sample_test_images(table: pd.DataFrame, sample: int, seed: int) -> pd.DataFrame:
    """Draw at most `sample` test images with `draw_sample`: equally many of both classes, as far as there are."""
    tested = table[table["split"] == "test"]
    human, ai = tested[tested["label"] == "human"], tested[tested["label"] == "ai"]
    of_human = min(len(human), max(sample // 2, sample - len(ai)))
    parts = ((human, of_human), (ai, min(len(ai), sample - of_human)))
    return pd.concat([rows.iloc[draw_sample(rows, number, seed)] for rows, number in parts if number] or [tested])


def sample_images(
    root: Path, rows: pd.DataFrame, *, number: int, side: int, seed: int = 0, max_pixels: int = DEFAULT_MAX_PIXELS
) -> tuple[list[tuple[str, Image.Image]], list[tuple[str, str]]]:
    """Draw and decode at most `number` random images, one of each style in turn.

    Args:
        root: the folder that paths are relative to.
        rows: of a manifest's table.
        number: how many images; the search also ends after as many that can't be read.
        side: pixels of the longer side, to which larger images are scaled down.
        seed: of the sample.
        max_pixels: as in `decoded_image`.

    Returns:
        Style and image, sorted by style; and path and reason of those that can't be read.
    """
    shuffled = rows.sample(frac=1, random_state=np.random.default_rng(seed))
    in_turn = shuffled.iloc[np.argsort(shuffled.groupby("style").cumcount().to_numpy(), kind="stable")]
    drawn: list[tuple[str, Image.Image]] = []
    refused: list[tuple[str, str]] = []
    for path, style in zip(in_turn["path"], in_turn["style"], strict=True):
        if number in (len(drawn), len(refused)):
            break
        try:
            image = read_image(root / path, max_pixels=max_pixels)
        except UnreadableImage as error:
            refused.append((path, error.reason))
        else:
            image.thumbnail((side, side))
            drawn.append((style, image))
    return sorted(drawn, key=lambda found: found[0]), refused
