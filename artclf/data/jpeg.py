"""What a JPEG's header tells of how it was written: the quality setting, and how coarsely colour is sampled."""

import hashlib

import numpy as np
import numpy.typing as npt
from PIL.JpegImagePlugin import JpegImageFile

# ITU-T T.81 (1992), annex K, tables K.1 (luminance) and K.2 (chrominance), row by row. libjpeg scales these two.
_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
).ravel()
_CHROMINANCE = np.array(
    [
        [17, 18, 24, 47, 99, 99, 99, 99],
        [18, 21, 26, 66, 99, 99, 99, 99],
        [24, 26, 56, 99, 99, 99, 99, 99],
        [47, 66, 99, 99, 99, 99, 99, 99],
        *[[99] * 8] * 4,
    ]
).ravel()

_QUALITIES = range(1, 101)
_BASELINE, _EXTENDED = 255, 32767  # the largest entry that libjpeg writes: with and without `force_baseline`

_SUBSAMPLING = {(1, 1): "4:4:4", (1, 2): "4:4:0", (2, 1): "4:2:2", (2, 2): "4:2:0", (4, 1): "4:1:1", (4, 2): "4:1:0"}

Table = tuple[int, ...]


def _scaled(standard: npt.NDArray[np.int_], quality: int, largest: int) -> npt.NDArray[np.int_]:
    """A standard table at a quality: libjpeg's `jpeg_quality_scaling` and `jpeg_add_quant_table` (jcparam.c)."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((standard * percent + 50) // 100, 1, largest)


def _as_table(values: npt.NDArray[np.int_]) -> Table:
    return tuple(values.tolist())


# luminance table → its quality, and the chrominance table that goes with it. No two qualities share a luminance table.
_IJG: dict[Table, tuple[int, Table]] = {
    _as_table(_scaled(_LUMINANCE, quality, largest)): (quality, _as_table(_scaled(_CHROMINANCE, quality, largest)))
    for largest in (_EXTENDED, _BASELINE)
    for quality in _QUALITIES
}
_LADDER = np.array([_scaled(_LUMINANCE, quality, _EXTENDED) for quality in _QUALITIES])  # [100, 64]


def estimate_quality(image: JpegImageFile) -> tuple[int, bool]:
    """Tell the quality setting, 1 to 100 on libjpeg's scale, from the quantisation tables.

    It is exact for the standard tables of libjpeg and its descendants, T.81's, scaled. For tables of another kind (Photoshop,
    cameras, mozjpeg) it is that of the nearest standard luminance table, by the sum of absolute differences.

    Args:
        image: an opened JPEG; its pixels need not be loaded.

    Returns:
        The quality, and whether it is exact.

    Raises:
        LookupError: the file names a table that it does not hold.
    """
    tables = [tuple(image.quantization[component[3]]) for component in image.layer]
    luminance = tables[0]
    if luminance in _IJG:
        quality, chrominance = _IJG[luminance]
        # all components share the first table in grey, RGB and CMYK; in YCCK black does
        if all(table in {luminance, chrominance} for table in tables):
            return quality, True
    return 1 + int(np.abs(_LADDER - np.array(luminance)).sum(axis=1).argmin()), False


def name_tables(image: JpegImageFile) -> str:
    """A short name of the quantisation tables, component by component: the first eight letters of their SHA-256."""
    tables = [list(image.quantization[component[3]]) for component in image.layer]
    return hashlib.sha256(str(tables).encode()).hexdigest()[:8]


def subsampling(image: JpegImageFile) -> str | None:
    """How colour is sampled, in J:a:b notation such as ``4:2:0``; ``other`` where there is none; None for grey."""
    factors = [component[1:3] for component in image.layer]  # horizontal, vertical
    if len(factors) == 1:
        return None
    (across, down), (colour_across, colour_down) = factors[:2]
    if factors[1] != factors[2] or not colour_across or not colour_down or across % colour_across or down % colour_down:
        return "other"
    return _SUBSAMPLING.get((across // colour_across, down // colour_down), "other")
