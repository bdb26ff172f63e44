"""What tells the classes apart without a look at the art: one fact of the file at a time."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DENSITY = "bytes per pixel"
_COMMON = 0.1  # share of the files from which on a commonest value is worth naming
_BINS = 10  # into which file sizes are put: tenths of the files
_LEAST_GAIN = 0.05  # over guessing, below which a difference is not worth a word


@dataclass(frozen=True)
class Shortcut:
    """How far one fact gives the maker away.

    Attributes:
        fact: its name, in words.
        balanced_accuracy: of judging each file by the others that share its value (see `told_apart`); 0.5 is guessing.
        notable: whether that is more than chance and worth a word: over 0.55, and over guessing by two standard errors.
        typical: label → in words the commonest value and its share, how many there are where none is common, or the median.
    """

    fact: str
    balanced_accuracy: float
    notable: bool
    typical: dict[str, str]


def find_shortcuts(facts: pd.DataFrame) -> list[Shortcut]:
    """Judge JPEG quality, size, format and file size per pixel, each alone.

    Args:
        facts: a survey's: columns label, width, height, format, mode, bytes, jpeg_quality, quality_exact, subsampling.

    Returns:
        One of each, the most telling first; none where only one class is there.
    """
    is_ai = (facts["label"] == "ai").to_numpy(dtype=bool)
    if is_ai.all() or not is_ai.any():
        return []
    density = bytes_per_pixel(facts)
    bins = pd.Series(np.ceil(density.rank(pct=True).to_numpy() * _BINS))  # equal values have one rank, and so one bin
    medians = {label: f"median {density[facts['label'] == label].median():.2f}" for label in ("human", "ai")}
    values = {
        "JPEG quality": qualities(facts),
        "width × height": facts["width"].astype(str) + "×" + facts["height"].astype(str),
        "format": kinds(facts),
    }
    found = [_judge(name, column, is_ai, _commonest(column, facts["label"])) for name, column in values.items()]
    found.append(_judge(DENSITY, bins, is_ai, medians))
    return sorted(found, key=lambda shortcut: -shortcut.balanced_accuracy)


def bytes_per_pixel(facts: pd.DataFrame) -> pd.Series:
    """Size of the file over the number of its pixels."""
    density: pd.Series = facts["bytes"] / (facts["width"] * facts["height"])
    return density


def qualities(facts: pd.DataFrame) -> pd.Series:
    """JPEG quality in words: "95", "about 95" where the tables are not exactly that quality's, "no JPEG"."""
    words = facts["jpeg_quality"].astype("string").fillna("no JPEG")
    quality: pd.Series = words.mask(~facts["quality_exact"].fillna(True).astype(bool), "about " + words)
    return quality


def kinds(facts: pd.DataFrame) -> pd.Series:
    """Format, kind of pixels and colour sampling, in words: "JPEG, RGB, 4:2:0"."""
    sampled = facts["subsampling"].notna()
    kind: pd.Series = facts["format"] + ", " + facts["mode"] + (", " + facts["subsampling"].astype(object)).where(sampled, "")
    return kind


def told_apart(values: pd.Series, is_ai: NDArray[np.bool_]) -> float:
    """Balanced accuracy of telling the classes apart by one value alone, leaving out the file that is judged.

    Each file gets the class that is the more frequent, relative to its size, among the *other* files with the same value;
    where both are alike, it counts as half right. Values that one file alone has are taken for one and the same ("a value of
    its own"): where all files have such, they tell nothing, where counting the file itself would make them perfect.

    Args:
        values: [N], compared for equality.
        is_ai: [N]; both classes must be there.

    Returns:
        0.5 (guessing) to 1; what comes out below is no better than guessing and given as 0.5.
    """
    codes, _ = pd.factorize(values)
    codes = np.where(np.bincount(codes)[codes] == 1, codes.max() + 1, codes)
    sides = []
    for own in (is_ai, ~is_ai):
        mine = np.bincount(codes[own], minlength=codes.max() + 1)
        others = np.bincount(codes[~own], minlength=codes.max() + 1)
        ahead = (mine - 1) / max(own.sum() - 1, 1) - others / (~own).sum()
        credit = np.where(np.isclose(ahead, 0.0), 0.5, ahead > 0)
        sides.append(float((credit * mine).sum() / own.sum()))
    return max(0.5, sum(sides) / 2)


def _judge(name: str, values: pd.Series, is_ai: NDArray[np.bool_], typical: dict[str, str]) -> Shortcut:
    score = told_apart(values, is_ai)
    # of the mean of two shares that are 1/2 by guessing
    error = 0.25 * float(np.sqrt(1 / is_ai.sum() + 1 / (~is_ai).sum()))
    return Shortcut(name, score, score > 0.5 + max(_LEAST_GAIN, 2 * error), typical)


def _commonest(values: pd.Series, labels: pd.Series) -> dict[str, str]:
    return {label: commonest(values[labels == label]) for label in ("human", "ai")}


def commonest(values: pd.Series) -> str:
    """The commonest value and its share, in words; how many there are where none is common."""
    shares = values.value_counts(normalize=True)
    # the commonest of many that differ says nothing of the others
    scattered = shares.iloc[0] < _COMMON and len(shares) > 1
    return f"{len(shares):,} different" if scattered else f"{shares.index[0]} ({shares.iloc[0]:.0%})"
