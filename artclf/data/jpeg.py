"""What a JPEG's header says about how it was written: its quality setting and its chroma subsampling."""

import hashlib
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

_QUALITIES = range(1, 101)
_BASELINE, _EXTENDED = 255, 32767  # the largest entry that libjpeg writes: with and without `force_baseline`
_SUBSAMPLING = {(1, 1): "4:4:4", (1, 2): "4:4:0", (2, 1): "4:2:2", (2, 2): "4:2:0", (4, 1): "4:1:1", (4, 2): "4:1:0"}

Table = tuple[int, ...]


def _standard_tables() -> tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]]:
    """Luminance and chrominance tables K.1 and K.2 of ITU-T T.81 (1992), which libjpeg writes unscaled at quality 50."""
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=50)
    file.seek(0)
    tables = JpegImageFile(file, "").quantization
    return np.array(tables[0]), np.array(tables[1])


def _scaled(standard: npt.NDArray[np.int_], quality: int, largest: int) -> Table:
    """A standard table at a quality: libjpeg's `jpeg_quality_scaling` and `jpeg_add_quant_table` (jcparam.c)."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(np.clip((standard * percent + 50) // 100, 1, largest).tolist())


_LUMINANCE, _CHROMINANCE = _standard_tables()
# luminance table → its quality, and the chrominance table that goes with it. No two qualities share a luminance table.
_KNOWN: dict[Table, tuple[int, Table]] = {
    _scaled(_LUMINANCE, quality, largest): (quality, _scaled(_CHROMINANCE, quality, largest))
    for largest in (_EXTENDED, _BASELINE)
    for quality in _QUALITIES
}
_LADDER = np.array([_scaled(_LUMINANCE, quality, _EXTENDED) for quality in _QUALITIES])  # [100, 64]


def estimate_quality(image: JpegImageFile) -> tuple[int, bool]:
    """Estimate the quality setting, 1 to 100 on libjpeg's scale, from the quantisation tables of an opened JPEG.

    It is exact for the standard tables, as libjpeg and its descendants write them. For other tables (Photoshop, cameras,
    mozjpeg) it is the quality of the nearest standard luminance table, by the sum of absolute differences.

    Returns:
        The quality, and whether it is exact.

    Raises:
        LookupError: the file names a table that it does not hold.
    """
    luminance, *others = _tables(image)
    quality, chrominance = _KNOWN.get(luminance, (0, ()))
    # all components share the first table in grey, RGB and CMYK; in YCCK black does
    if quality and all(table in {luminance, chrominance} for table in others):
        return quality, True
    return 1 + int(np.abs(_LADDER - np.array(luminance)).sum(axis=1).argmin()), False


def name_tables(image: JpegImageFile) -> str:
    """A short name of the quantisation tables: the first eight digits of their SHA-256."""
    return hashlib.sha256(str([list(table) for table in _tables(image)]).encode()).hexdigest()[:8]


def _tables(image: JpegImageFile) -> list[Table]:
    """The quantisation table of each component."""
    return [tuple(image.quantization[component[3]]) for component in image.layer]


def subsampling(image: JpegImageFile) -> str | None:
    """Chroma subsampling in J:a:b notation such as ``4:2:0``; ``other`` if it has no notation; None for grey."""
    factors = [component[1:3] for component in image.layer]  # horizontal, vertical
    if len(factors) == 1:
        return None
    (across, down), (colour_across, colour_down) = factors[:2]
    if factors[1] != factors[2] or not colour_across or not colour_down or across % colour_across or down % colour_down:
        return "other"
    return _SUBSAMPLING.get((across // colour_across, down // colour_down), "other")
