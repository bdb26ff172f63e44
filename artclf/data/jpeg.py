"""What a JPEG's header says about how it was written: its quality setting and its chroma subsampling."""

import hashlib
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

_SUBSAMPLING = ("4:4:4", "4:2:2", "4:2:0")  # by Pillow's number

Table = tuple[int, ...]


def _standard_tables() -> tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]]:
    """Luminance and chrominance tables K.1 and K.2 of ITU-T T.81 (1992), which libjpeg writes unscaled at quality 50."""
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=50)
    file.seek(0)
    tables = JpegImageFile(file, "").quantization
    return np.array(tables[0]), np.array(tables[1])


def _scaled(standard: npt.NDArray[np.int_], quality: int) -> Table:
    """A standard table at a quality: libjpeg's `jpeg_quality_scaling` and `jpeg_add_quant_table` (jcparam.c)."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(np.clip((standard * percent + 50) // 100, 1, 255).tolist())


_LUMINANCE, _CHROMINANCE = _standard_tables()
# luminance table → its quality, and the chrominance table that goes with it. No two qualities share a luminance table.
_KNOWN: dict[Table, tuple[int, Table]] = {
    _scaled(_LUMINANCE, quality): (quality, _scaled(_CHROMINANCE, quality)) for quality in range(1, 101)
}
_LADDER = np.array(list(_KNOWN))  # the luminance tables by quality, [100, 64]


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
    """Chroma subsampling: ``4:4:4``, ``4:2:2``, ``4:2:0`` or ``other``; None for grey and CMYK."""
    if image.layers in (1, 4):
        return None
    number = get_sampling(image)
    return "other" if number < 0 else _SUBSAMPLING[number]
