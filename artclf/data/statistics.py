"""What a decoded picture is like as a whole: how bright, how colourful; and a hash by which copies of it are known.

All of it is measured at 64×64 pixels or less. Fine detail is left out on purpose: in it lie the traces that generators leave,
which are what a classifier is to find. How bright or colourful the pictures of a data set are tells of whom it collected.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from rich.console import Console
from rich.progress import track
from scipy.fft import dctn

from artclf.data.images import DEFAULT_MAX_PIXELS, UnreadableImage, read_image
from artclf.data.survey import Survey

SIDE = 64  # pixels a side, at which a picture is measured
_HASH_SIDE = 32  # pixels a side, of which the hash is made
_FLAT = 1.0  # spread of the grey levels (0 to 255) below which a picture shows nothing to know it by
_CHUNK = 16  # pictures to a task

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's and JPEG's grey

Canonical = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True, slots=True)
class Statistics:
    """A picture as a whole, on a scale on which black is 0 and white 1.

    Attributes:
        brightness: mean luma.
        contrast: standard deviation of luma.
        saturation: mean of HSV's saturation, (largest − smallest) / largest of red, green and blue; black has none.
        saturation_spread: its standard deviation.
        red: mean less mean luma: a cast of red, as green and blue; a grey picture has none.
        green: mean less mean luma.
        blue: mean less mean luma.
    """

    brightness: float
    contrast: float
    saturation: float
    saturation_spread: float
    red: float
    green: float
    blue: float


NAMES = tuple(field.name for field in fields(Statistics))


def measure(image: Image.Image) -> Statistics:
    """Measure a picture of mode RGB, scaled to 64×64 pixels whatever its shape."""
    pixels = np.asarray(_scaled(image, SIDE), dtype=np.float64) / 255
    luma = pixels @ LUMA
    largest, smallest = pixels.max(axis=2), pixels.min(axis=2)
    saturation = (largest - smallest) / np.where(largest > 0, largest, 1.0)
    cast = pixels.mean(axis=(0, 1)) - luma.mean()
    numbers = (luma.mean(), luma.std(), saturation.mean(), saturation.std(), *cast)
    return Statistics(*(round(float(number), 6) for number in numbers))


def perceptual_hash(image: Image.Image) -> str:
    """Give a picture 64 bits that stay nearly the same when it is scaled, re-encoded or slightly altered in colour.

    pHash (Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010): of the cosine transform of the
    picture in grey at 32×32, the 8×8 lowest frequencies without the constant ones; a bit tells whether each is above their
    median.

    Args:
        image: of mode RGB.

    Returns:
        16 hexadecimal digits; "" for a picture of one shade, whose bits would be those of rounding errors.
    """
    grey = np.asarray(_scaled(image, _HASH_SIDE).convert("L"), dtype=np.float64)
    if grey.std() < _FLAT:
        return ""
    lowest = dctn(grey, norm="ortho")[1:9, 1:9].ravel()
    return np.packbits(lowest > np.median(lowest)).tobytes().hex()


def _scaled(image: Image.Image, side: int) -> Image.Image:
    return image.resize((side, side), Image.Resampling.BOX, reducing_gap=None)


def measure_files(
    survey: Survey,
    *,
    canonical: Canonical | None = None,
    threads: int = 4,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    quiet: bool = False,
) -> tuple[Survey, pd.DataFrame, pd.DataFrame | None]:
    """Decode the files whose facts were read, and measure them.

    Args:
        survey: whose `facts` name the files.
        canonical: what makes a picture canonical; None where only the pictures as they are are asked for.
        threads: how many files at a time (Pillow decodes outside of Python's lock).
        max_pixels: a picture with more counts as unreadable.
        quiet: show no progress.

    Returns:
        The survey, with files whose pixels are damaged among the unreadable ones; and, a row for each row of its facts, the
        columns `sha256` (of the file), `hash` (see `perceptual_hash`) and those of `Statistics`; the last, of the canonical
        pictures, has those of `Statistics` alone.
    """
    facts, root = survey.facts, survey.manifest.root
    files = [root / path for path in facts["path"]]

    def look(start: int) -> list[dict[str, object] | str]:
        return [_look(file, canonical, max_pixels) for file in files[start : start + _CHUNK]]

    starts = range(0, len(files), _CHUNK)
    with ThreadPoolExecutor(max(1, threads)) as pool:
        bar = Console(stderr=True, quiet=quiet)
        chunks = track(pool.map(look, starts), "Looking at pictures", total=len(starts), transient=True, console=bar)
        looks = [look for chunk in chunks for look in chunk]
    good = np.array([isinstance(look, dict) for look in looks], dtype=bool)
    bad = facts.loc[~good, ["path", "label"]].assign(reason=[look for look in looks if isinstance(look, str)])
    unreadable = survey.unreadable if bad.empty else pd.concat([survey.unreadable, bad], ignore_index=True)
    rows = [look for look in looks if isinstance(look, dict)]
    measured = pd.DataFrame(rows, columns=["sha256", "hash", *NAMES, *(f"canonical_{name}" for name in NAMES)])
    after = measured[[f"canonical_{name}" for name in NAMES]].set_axis(list(NAMES), axis=1) if canonical else None
    seen = replace(survey, facts=facts[good].reset_index(drop=True), unreadable=unreadable)
    return seen, measured[["sha256", "hash", *NAMES]], after


def _look(file: Path, canonical: Canonical | None, max_pixels: int) -> dict[str, object] | str:
    """All that is asked of one file, or why it can't be read."""
    try:
        content = file.read_bytes()
        # what is made canonical is so at full size, as training reads it
        image = read_image(file, max_pixels=max_pixels, content=content, shorter_side=None if canonical else SIDE)
    except UnreadableImage as error:
        return error.reason
    except OSError as error:
        return (error.strerror or str(error)).lower()
    found: dict[str, object] = {"sha256": hashlib.sha256(content).hexdigest(), "hash": perceptual_hash(image)}
    found |= asdict(measure(image))
    if canonical is not None:
        found |= {f"canonical_{name}": number for name, number in asdict(measure(canonical(image))).items()}
    return found
