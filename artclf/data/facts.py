"""What files say besides the art: size, format and JPEG settings of a file; colours and a hash of its decoded image.

Where these differ between the classes they are shortcuts: a classifier that scales and decodes still sees their traces.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from PIL import Image
from PIL.ExifTags import Base as Tag
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile
from rich.console import Console
from rich.progress import track
from scipy.fft import dctn

from artclf.data.images import DEFAULT_MAX_PIXELS, UnreadableImage, open_image, read_image
from artclf.data.jpeg import estimate_quality, name_tables, subsampling
from artclf.data.manifest import COLUMNS, Manifest
from artclf.data.sampling import draw_sample

DEFAULT_SAMPLE = 5_000
"""Files read where no other number is asked for: a share is then known to within 1.4 points (two standard errors)."""

SIDE = 64  # pixels a side at which colours are measured: fine detail, which holds a generator's trace, is left out on purpose
_HASH_SIDE = 32  # pixels a side of which the hash is made
_FLAT = 1.0  # spread of the grey levels (0 to 255) below which an image shows nothing to know it by
_CHUNK = 32  # files to a task: one task each for 185,015 files would cost more than the reading

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's and JPEG's grey

T = TypeVar("T")
Canonical = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The facts of one file, from its header.

    Attributes:
        width: pixels across, before EXIF turns the image (a TIFF: after).
        height: pixels down, the same.
        format: of the file's content, whatever its name: "JPEG", "PNG", "WEBP", "GIF", "BMP" or "TIFF".
        mode: Pillow's word for the kind of pixels stored, such as "RGB", "L" (grey), "P" (palette) or "CMYK".
        bytes: size of the file.
        jpeg_quality: 1 to 100 on libjpeg's scale (see `artclf.data.jpeg`); this and the next three are None for other formats.
        quality_exact: whether the tables are exactly those of that quality, or only nearest to them.
        subsampling: of a JPEG's colour, such as "4:2:0"; None for grey too.
        tables: eight letters that stand for a JPEG's quantisation tables (`artclf.data.jpeg.name_tables`).
        exif: whether the file carries EXIF: what camera or program wrote it, and how. A TIFF: whether it has that directory.
    """

    width: int
    height: int
    format: str
    mode: str
    bytes: int
    jpeg_quality: int | None = None
    quality_exact: bool | None = None
    subsampling: str | None = None
    tables: str | None = None
    exif: bool = False


@dataclass(frozen=True, slots=True)
class Statistics:
    """A decoded image as a whole, on a scale on which black is 0 and white 1.

    Attributes:
        brightness: mean luma.
        contrast: standard deviation of luma.
        saturation: mean of HSV's saturation, (largest − smallest) / largest of red, green and blue; black has none.
        saturation_spread: its standard deviation.
        red: mean less mean luma: a cast of red, as green and blue; a grey image has none.
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


@dataclass(frozen=True)
class Survey:
    """The facts of a manifest's files.

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


def read_facts(path: Path | str, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> FileFacts:
    """Read a file's facts from its header, under the precautions of `artclf.data.images`.

    The pixels are not decoded: that a file is cut short or damaged behind its header is not noticed here.

    Raises:
        UnreadableImage: there is no such file, it is none of the formats, too large, or its header is damaged.
    """
    with open_image(path, max_pixels=max_pixels) as image:
        assert image.fp is not None  # open until the `with` ends
        size = os.fstat(image.fp.fileno()).st_size
        facts = (image.width, image.height, image.format or "", image.mode, size)
        exif = Tag.ExifOffset in image.tag_v2 if isinstance(image, TiffImageFile) else "exif" in image.info
        if not isinstance(image, JpegImageFile):
            return FileFacts(*facts, exif=exif)
        return FileFacts(*facts, *estimate_quality(image), subsampling(image), name_tables(image), exif)


def measure(image: Image.Image) -> Statistics:
    """Measure an RGB image, scaled to 64×64 pixels whatever its shape."""
    pixels = np.asarray(_scaled(image, SIDE), dtype=np.float64) / 255
    luma = pixels @ LUMA
    largest, smallest = pixels.max(axis=2), pixels.min(axis=2)
    saturation = (largest - smallest) / np.where(largest > 0, largest, 1.0)
    cast = pixels.mean(axis=(0, 1)) - luma.mean()
    numbers = (luma.mean(), luma.std(), saturation.mean(), saturation.std(), *cast)
    return Statistics(*(round(float(number), 6) for number in numbers))


def perceptual_hash(image: Image.Image) -> str:
    """64 bits of an RGB image that stay nearly the same when it is scaled, re-encoded or slightly altered in colour.

    pHash (Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010): of the cosine transform of the
    image in grey at 32×32, the 8×8 lowest frequencies without the constant ones; each bit says whether one is above their
    median.

    Returns:
        16 hexadecimal digits; "" for an image of one shade, whose bits would be those of rounding errors.
    """
    grey = np.asarray(_scaled(image, _HASH_SIDE).convert("L"), dtype=np.float64)
    if grey.std() < _FLAT:
        return ""
    lowest = dctn(grey, norm="ortho")[1:9, 1:9].ravel()
    return np.packbits(lowest > np.median(lowest)).tobytes().hex()


def _scaled(image: Image.Image, side: int) -> Image.Image:
    return image.resize((side, side), Image.Resampling.BOX, reducing_gap=None)


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
        threads: how many files at a time.
        max_pixels: an image with more counts as unreadable.
        quiet: show no progress.
    """
    table = manifest.table[list(COLUMNS)]
    if sample is not None and sample < len(table):
        table = table.iloc[draw_sample(table, sample, seed)]

    def look(file: Path) -> dict[str, object]:
        facts = read_facts(file, max_pixels=max_pixels)
        return {name: getattr(facts, name) for name in columns}

    columns = [field.name for field in fields(FileFacts)]
    read, unreadable, found = _look_at(manifest.root, table, look, threads, "" if quiet else "Reading headers")
    types = {"jpeg_quality": "Int64", "quality_exact": "boolean"}  # with gaps: other formats have none
    return Survey(manifest, read.join(pd.DataFrame(found, columns=columns).astype(types)), unreadable)


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
        canonical: what makes an image canonical; None where only the images as they are are asked for.
        threads: how many files at a time (Pillow decodes outside of Python's lock).
        max_pixels: an image with more counts as unreadable.
        quiet: show no progress.

    Returns:
        The survey, with files whose pixels are damaged among the unreadable ones; and, a row for each row of its facts, the
        columns `sha256` (of the file), `hash` (see `perceptual_hash`) and those of `Statistics`; the last, of the canonical
        images, has those of `Statistics` alone.
    """

    def look(file: Path) -> dict[str, object]:
        content = file.read_bytes()
        # what is made canonical is so at full size, as training reads it
        image = read_image(file, max_pixels=max_pixels, content=content, shorter_side=None if canonical else SIDE)
        found: dict[str, object] = {"sha256": hashlib.sha256(content).hexdigest(), "hash": perceptual_hash(image)}
        found |= asdict(measure(image))
        if canonical is not None:
            found |= {f"canonical_{name}": number for name, number in asdict(measure(canonical(image))).items()}
        return found

    label = "" if quiet else "Decoding images"
    facts, bad, found = _look_at(survey.manifest.root, survey.facts, look, threads, label)
    unreadable = pd.concat([survey.unreadable, bad], ignore_index=True) if len(bad) else survey.unreadable
    measured = pd.DataFrame(found, columns=["sha256", "hash", *NAMES, *(f"canonical_{name}" for name in NAMES)])
    after = measured[[f"canonical_{name}" for name in NAMES]].set_axis(list(NAMES), axis=1) if canonical else None
    return replace(survey, facts=facts, unreadable=unreadable), measured[["sha256", "hash", *NAMES]], after


def _look_at(
    root: Path, table: pd.DataFrame, look: Callable[[Path], T], threads: int, label: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[T]]:
    """Look at each file of a table, in threads, with a progress bar where there is a label.

    Returns:
        The rows that can be read; of the others path, label and reason; and what was found of the first.
    """
    files = [root / path for path in table["path"]]

    def look_at(chunk: Sequence[Path]) -> list[tuple[T | None, str]]:
        looks: list[tuple[T | None, str]] = []
        for file in chunk:
            try:
                looks.append((look(file), ""))
            except UnreadableImage as error:
                looks.append((None, error.reason))
            except OSError as error:
                looks.append((None, (error.strerror or str(error)).lower()))
        return looks

    chunks = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
    with ThreadPoolExecutor(max(1, threads)) as pool:
        bar = Console(stderr=True, quiet=not label)  # what is printed may be piped elsewhere
        done = track(pool.map(look_at, chunks), label, total=len(chunks), transient=True, console=bar)
        looks = [look for chunk in done for look in chunk]
    reasons = np.array([reason for _, reason in looks], dtype=object)
    bad = table.loc[reasons != "", ["path", "label"]].assign(reason=reasons[reasons != ""]).reset_index(drop=True)
    found = [found for found, reason in looks if found is not None and not reason]
    return table[reasons == ""].reset_index(drop=True), bad, found
