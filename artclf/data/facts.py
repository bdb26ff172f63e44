"""Facts of image files besides the art: size, format and JPEG settings; colour statistics and a hash of the decoded image.

Facts that differ between the classes are shortcuts: a classifier sees their traces even in scaled images.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from PIL.ExifTags import Base as Tag
from PIL.JpegImagePlugin import JpegImageFile, get_sampling
from PIL.TiffImagePlugin import TiffImageFile
from scipy.fft import dctn

from artclf.data.canonical import Canonical
from artclf.data.files import file_content
from artclf.data.images import DEFAULT_MAX_PIXELS, UnreadableImage, decoded_image, open_image
from artclf.data.manifest import COLUMNS, Manifest
from artclf.data.sampling import draw_sample
from artclf.runtime import progress

DEFAULT_SAMPLE = 5_000  # files: a share is then known to within 1.4 points (two standard errors)

SIDE = 64  # pixels per side at which colours are measured: fine detail, which holds a generator's trace, is left out
_HASH_SIDE = 32  # pixels per side of which the hash is made
_FLAT = 1.0  # standard deviation of grey (0 to 255) below which an image has no hash

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's and JPEG's grey

# Of a decoded image: mean and standard deviation of luma; mean and standard deviation of HSV's saturation (black has none);
# and the cast of each colour, its mean less that of luma.
STATISTICS = ("brightness", "contrast", "saturation", "saturation_spread", "red", "green", "blue")

_CANONICAL = "canonical_"  # prefix of the STATISTICS that are measured in canonical form

Table = tuple[int, ...]  # of a JPEG's quantisation


@dataclass(frozen=True)
class FileFacts:
    """The facts of one file, from its header. The JPEG settings are None for other formats."""

    width: int  # in pixels, before EXIF turns the image (a TIFF: after)
    height: int
    format: str  # of the content, whatever the file's name: "JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP" or "TIFF"
    mode: str  # Pillow's name for the kind of pixels stored, such as "RGB", "L" (grey), "P" (palette) or "CMYK"
    bytes: int
    jpeg_quality: int | None = None  # 1 to 100 on libjpeg's scale
    quality_exact: bool | None = None  # whether the tables are exactly those of that quality, or only nearest to them
    subsampling: str | None = None  # such as "4:2:0"; None for grey and CMYK too
    tables: str | None = None  # a short name of the quantisation tables
    exif: bool = False  # whether the file carries EXIF of a camera or program


@dataclass(frozen=True)
class Survey:
    """The facts of a manifest's files."""

    manifest: Manifest  # all files
    facts: pd.DataFrame  # a row for each file that was read: the manifest's columns, and those of `FileFacts`
    unreadable: pd.DataFrame  # a row for each that could not be: the manifest's columns, and the reason
    # of decoded files, a row for each of `facts`: sha256 (of the file), hash (see `perceptual_hash`), declared and `STATISTICS`
    measured: pd.DataFrame | None = None
    canonical: pd.DataFrame | None = None  # the `STATISTICS` of the images in canonical form

    @property
    def opened(self) -> int:
        """How many files were opened."""
        return len(self.facts) + len(self.unreadable)


def read_facts(path: Path | str, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> FileFacts:
    """Read a file's facts from its header. That a file is damaged behind its header is not noticed.

    Raises:
        UnreadableImage: as `artclf.data.images.open_image`.
    """
    with open_image(path, max_pixels=max_pixels) as image:
        facts = (image.width, image.height, image.format or "", image.mode, Path(path).stat().st_size)
        exif = Tag.ExifOffset in image.tag_v2 if isinstance(image, TiffImageFile) else "exif" in image.info
        if not isinstance(image, JpegImageFile):
            return FileFacts(*facts, exif=exif)
        return FileFacts(*facts, *jpeg_settings(image), exif)


def jpeg_settings(image: JpegImageFile) -> tuple[int, bool, str | None, str]:
    """How an opened JPEG was written, by its header.

    Returns:
        The quality setting, 1 to 100 on libjpeg's scale; whether it is exact; the chroma subsampling (``4:4:4``, ``4:2:2``,
        ``4:2:0`` or ``other``; None for grey and CMYK); and the first eight digits of the quantisation tables' SHA-256.

        The quality is exact for the standard tables, as libjpeg and its descendants write them. For others (Photoshop,
        cameras, mozjpeg) it is that of the nearest standard luminance table, by the sum of absolute differences.

    Raises:
        LookupError: the file names a table that it does not hold.
    """
    tables = [tuple(image.quantization[component[3]]) for component in image.layer]
    name = hashlib.sha256(str([list(table) for table in tables]).encode()).hexdigest()[:8]
    quality, chrominance = _KNOWN.get(tables[0], (0, ()))
    # all components share the first table in grey, RGB and CMYK; in YCCK black does
    exact = quality > 0 and all(table in {tables[0], chrominance} for table in tables[1:])
    if not exact:
        quality = 1 + int(np.abs(_LUMINANCE - np.array(tables[0])).sum(axis=1).argmin())
    sampling = ("4:4:4", "4:2:2", "4:2:0", "other")[get_sampling(image)]  # -1: other
    return quality, exact, None if image.layers in (1, 4) else sampling, name


def _standard_tables() -> dict[Table, tuple[int, Table]]:
    """Each luminance table of libjpeg → its quality, and the chrominance table that goes with it; no two qualities share one.

    They are tables K.1 and K.2 of ITU-T T.81 (1992), which libjpeg writes unscaled at quality 50, scaled as in its
    `jpeg_quality_scaling` and `jpeg_add_quant_table` (jcparam.c).
    """
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=50)
    standard = JpegImageFile(BytesIO(file.getvalue()), "").quantization

    def scaled(table: list[int], quality: int) -> Table:
        percent = 5000 // quality if quality < 50 else 200 - 2 * quality
        return tuple(np.clip((np.array(table) * percent + 50) // 100, 1, 255).tolist())

    return {scaled(standard[0], quality): (quality, scaled(standard[1], quality)) for quality in range(1, 101)}


_KNOWN = _standard_tables()
_LUMINANCE = np.array([*_KNOWN])  # [100, 64]


def measure(image: Image.Image) -> dict[str, float]:
    """Compute the `STATISTICS` of an RGB image, scaled to 64×64 pixels, with black 0 and white 1."""
    pixels = np.asarray(_scaled(image, SIDE), dtype=np.float64) / 255
    luma = pixels @ LUMA
    largest, smallest = pixels.max(axis=2), pixels.min(axis=2)
    saturation = (largest - smallest) / np.where(largest > 0, largest, 1.0)
    cast = pixels.mean(axis=(0, 1)) - luma.mean()
    numbers = (luma.mean(), luma.std(), saturation.mean(), saturation.std(), *cast)
    return {name: round(float(number), 6) for name, number in zip(STATISTICS, numbers, strict=True)}


def perceptual_hash(image: Image.Image) -> str:
    """64 bits of an RGB image that hardly change when it is scaled, re-encoded or slightly altered in colour.

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
    return image.resize((side, side), Image.Resampling.BOX)


def survey_files(
    manifest: Manifest,
    *,
    sample: int | None = DEFAULT_SAMPLE,
    seed: int = 0,
    canonical: Canonical | None = None,
    declared: Callable[[Path, bytes], str] = lambda _, __: "",
    threads: int = 4,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Survey:
    """Read the facts of a manifest's files, or of a sample of them.

    Args:
        manifest: the files.
        sample: how many are read, drawn by `draw_sample`; None for all.
        seed: of the sample.
        canonical: also decode the images and measure them, as they are stored and in this form; those whose pixels are
            damaged then count as unreadable. None: read the headers alone.
        declared: what the bytes of a decoded file declare about its origin.
        threads: how many files at a time.
        max_pixels: an image with more counts as unreadable.
    """
    table = manifest.table[list(COLUMNS)]
    if sample is not None and sample < len(table):
        table = table.iloc[draw_sample(table, sample, seed)]

    def read(path: str) -> dict[str, Any]:
        """A row of the survey, or only the reason why the file can't be read."""
        file = manifest.root / path
        try:
            facts = asdict(read_facts(file, max_pixels=max_pixels))
            return facts | _measure_file(file, max_pixels, canonical, declared) if canonical else facts
        except UnreadableImage as error:
            return {"reason": error.reason}

    with ThreadPoolExecutor(max(1, threads)) as pool:
        label = "Decoding images" if canonical else "Reading headers"
        rows = list(progress(pool.map(read, table["path"]), label, len(table)))
    table = table.assign(reason=[row.get("reason", "") for row in rows])
    bad = table["reason"] != ""
    names, measured = [field.name for field in fields(FileFacts)], ["sha256", "hash", "declared", *STATISTICS]
    after = [_CANONICAL + name for name in STATISTICS]
    found = pd.DataFrame([row for row in rows if "reason" not in row], columns=[*names, *measured, *after])
    types = {"jpeg_quality": "Int64", "quality_exact": "boolean"}  # with gaps: other formats have none
    return Survey(
        manifest,
        table.loc[~bad, list(COLUMNS)].reset_index(drop=True).join(found[names].astype(types)),
        pd.concat([manifest.rejected, table[bad]], ignore_index=True),
        found[measured] if canonical else None,
        found[after].set_axis(STATISTICS, axis=1) if canonical else None,
    )


def _measure_file(file: Path, max_pixels: int, canonical: Canonical, declared: Callable[[Path, bytes], str]) -> dict[str, Any]:
    """Hashes, declared origin and statistics of a decoded image."""
    with (
        file_content(file, max_pixels=max_pixels) as content,
        decoded_image(file, max_pixels=max_pixels, content=content) as image,
    ):
        found: dict[str, Any] = {"sha256": hashlib.sha256(content).hexdigest(), "hash": perceptual_hash(image)}
        found |= {"declared": declared(file, content), **measure(image)}
        return found | {_CANONICAL + name: value for name, value in measure(canonical(image)).items()}
