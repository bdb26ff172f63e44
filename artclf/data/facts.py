"""What a file tells of a picture before one pixel is decoded: size, format, and how a JPEG was written.

A classifier that scales and decodes still sees traces of these. Where they differ between the classes they are shortcuts:
they tell who made a picture without a look at the art.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from PIL.ExifTags import Base as Tag
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from artclf.data.images import DEFAULT_MAX_PIXELS, open_image
from artclf.data.jpeg import estimate_quality, name_tables, subsampling


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The facts of one file.

    Attributes:
        width: pixels across, before EXIF turns the picture (a TIFF: after).
        height: pixels down, the same.
        format: of the file's content, whatever its name: "JPEG", "PNG", "WEBP", "GIF", "BMP" or "TIFF".
        mode: Pillow's word for the kind of pixels stored, such as "RGB", "L" (grey), "P" (palette) or "CMYK".
        bytes: size of the file.
        jpeg_quality: 1 to 100 on libjpeg's scale (see `artclf.data.jpeg`); None for other formats.
        quality_exact: whether the tables are exactly those of that quality, or only nearest to them; None for other formats.
        subsampling: of a JPEG's colour, such as "4:2:0"; None for grey and for other formats.
        tables: eight letters that stand for a JPEG's quantisation tables (`artclf.data.jpeg.name_tables`); None for other
            formats.
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


def read_facts(path: Path | str, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> FileFacts:
    """Read a file's facts from its header, under the precautions of `artclf.data.images`.

    The pixels are not decoded: that a file is cut short or damaged behind its header is not noticed here.

    Args:
        path: a JPEG, PNG, WebP, GIF, BMP or TIFF file, whatever its suffix.
        max_pixels: as in `read_image`.

    Raises:
        UnreadableImage: there is no such file, it is none of these formats, too large, or its header is damaged.
    """
    with open_image(path, max_pixels=max_pixels) as image:
        assert image.fp is not None  # open until the `with` ends
        size = os.fstat(image.fp.fileno()).st_size
        facts = (image.width, image.height, image.format or "", image.mode, size)
        exif = Tag.ExifOffset in image.tag_v2 if isinstance(image, TiffImageFile) else "exif" in image.info
        if not isinstance(image, JpegImageFile):
            return FileFacts(*facts, exif=exif)
        return FileFacts(*facts, *estimate_quality(image), subsampling(image), name_tables(image), exif)
