"""Any image file a person has to RGB pixels, or a clear refusal.

Only Pillow's decoders for the six formats below ever run, chosen by the file's first bytes: its name is not trusted.
Every function may be called from many threads at once; nothing here changes a global setting while it runs.

There is no colour management: pixels are the stored values, whatever ICC profile comes with them.
"""

import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ExifTags import Base as Tag
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from artclf.errors import ArtclfError

DEFAULT_MAX_PIXELS = 89_478_485
"""Largest picture decoded unless told otherwise: Pillow's own limit, 256 MiB as 8-bit RGB."""

# Pillow's plugin for each signature. They are called directly rather than through `Image.open`, which warns of large
# pictures (a warning that only a process-wide filter could hold back) before the caller can look at the size, and which
# turns a phone's JPEG into an MPO with an index that may be damaged when all that is wanted is its first picture.
_DECODERS: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (rb"\xff\xd8\xff", JpegImageFile),
    (rb"\x89PNG\r\n\x1a\n", PngImageFile),
    (rb"RIFF.{4}WEBP", WebPImageFile),
    (rb"GIF8[79]a", GifImageFile),
    (rb"BM", BmpImageFile),
    (rb"II[*+]\0|MM\0[*+]", TiffImageFile),
)

# What Pillow's decoders and metadata parsers let through on a damaged file.
_DECODER_ERRORS = (
    OSError,  # pixel data cut short or undecodable; unsupported kinds of BMP and TIFF
    SyntaxError,  # a header, chunk or directory that breaks the format's rules; no width or no height
    ValueError,  # impossible tile, palette or chunk sizes; PNG text that unpacks beyond Pillow's limit
    TypeError,  # a TIFF or EXIF tag of another type than the format says
    LookupError,  # a code that none of Pillow's tables knows; a record shorter than its header says
    ArithmeticError,  # a rational with denominator zero; an offset beyond what fits a C integer
    EOFError,  # an animation without a first frame
    MemoryError,  # a size within the limit that this machine still cannot hold
    struct.error,  # a number that the end of the file cuts in two
)

_TRANSPOSE: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF 2.32, tag 0x0112: how the stored picture is turned upright

# Damaged metadata does not make a picture unreadable, and Pillow's words for it name no file. Said once, at import:
# `warnings.catch_warnings` around each call is not thread-safe.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.(Png|Tiff)ImagePlugin")


class UnreadableImage(ArtclfError):  # noqa: N818  the name says what it is about
    """A file that gives no image: its `path`, and the `reason` in one short line without it, such as ``empty file``."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)  # both, so that it survives pickling on its way out of a worker process
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def read_image(
    path: Path | str,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    content: bytes | None = None,
    shorter_side: int | None = None,
    interpolation: str = "bilinear",
) -> Image.Image:
    """Read a picture's first frame as RGB, turned upright by its EXIF orientation.

    Transparency is laid on white. Grey of more than 8 bits is scaled from its full range to 0-255; for floating point,
    white is the first of 1, 255, 65535 whose double no pixel exceeds, else the largest value. A file that ends too early is
    refused; damage that libjpeg mends silently is not noticed.

    Args:
        path: a JPEG, PNG, WebP, GIF, BMP or TIFF file, whatever its suffix.
        max_pixels: width times height above which the file is refused before it is decoded. Pillow's own
            `Image.MAX_IMAGE_PIXELS` holds as well: to go beyond it, set both.
        content: the file's bytes, where the caller has them already; the path is then only named in refusals.
        shorter_side: to how many pixels the caller will scale the shorter side. A JPEG of at least four times as many is
            decoded smaller and comes scaled to exactly this; any other image comes as large as it is.
        interpolation: "bilinear" or "bicubic", with which such a JPEG is scaled.

    Returns:
        The image, loaded, in mode RGB, with nothing left in `info`.

    Raises:
        UnreadableImage: there is no such file, it is none of these formats, damaged, cut short or too large.

    """
    with open_image(path, max_pixels=max_pixels, content=content) as opened:
        if isinstance(opened, TiffImageFile):
            _require_every_strip(opened)
        smaller = _decode_smaller(opened, shorter_side) if shorter_side and isinstance(opened, JpegImageFile) else None
        opened.load()
        turn = _turn(opened)
        image = _as_rgb(opened)
        if smaller is not None:
            size, box = smaller
            image = image.resize(size, Image.Resampling[interpolation.upper()], box=box)
        image = image if turn is None else image.transpose(turn)
    image.info = {}  # its orientation, for one, holds no longer
    return image


@contextmanager
def open_image(
    path: Path | str, *, max_pixels: int = DEFAULT_MAX_PIXELS, content: bytes | None = None
) -> Iterator[ImageFile.ImageFile]:
    """Open an image: its header is read, its pixels are not. What fails inside the `with` becomes a refusal too.

    The arguments and errors are those of `read_image`.
    """
    path = Path(path)
    try:
        file: IO[bytes] = path.open("rb") if content is None else BytesIO(content)
    except OSError as error:
        raise UnreadableImage(path, (error.strerror or str(error)).lower()) from error
    with file:
        decoder = _decoder_for(path, file)
        limit = min(max_pixels, Image.MAX_IMAGE_PIXELS or max_pixels)
        try:
            # Without the file's name: with it, Pillow maps raw pixels into memory, and a file cut short
            # by another process would then kill this one.
            image: ImageFile.ImageFile = decoder(file, "")
            if image.width * image.height > limit:
                raise UnreadableImage(path, f"{image.width}x{image.height} pixels is over the limit of {limit:,}")
            yield image
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            # Pillow looks first at a WebP's canvas and at a GIF frame larger than its screen.
            raise UnreadableImage(path, f"over the limit of {limit:,} pixels") from error
        except _DECODER_ERRORS as error:
            raise UnreadableImage(path, _reason(decoder, error)) from error


def read_pixels(path: Path | str, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> npt.NDArray[np.uint8]:
    """Read an image as `read_image` does, as an array of its own: uint8 [H, W, 3], C-contiguous and writable."""
    return np.array(read_image(path, max_pixels=max_pixels))


def _decode_smaller(
    image: JpegImageFile, shorter_side: int
) -> tuple[tuple[int, int], tuple[float, float, float, float]] | None:
    """Let libjpeg decode at 1/2, 1/4 or 1/8, with at least twice the shorter side left (Pillow's `reducing_gap`).

    Returns:
        None where the image is too small for that. Else the size it is to be scaled to, the longer side rounded down as
        torchvision's resize does, and the box of decoded pixels to scale: 1001 pixels, halved, are 500.5 of 501 decoded ones.
    """
    width, height = image.size
    shorter = min(width, height)
    drafted = image.draft(None, (2 * shorter_side, 2 * shorter_side)) if shorter >= 4 * shorter_side else None
    if drafted is None:
        return None
    return (shorter_side * width // shorter, shorter_side * height // shorter), drafted[1]


def _decoder_for(path: Path, file: IO[bytes]) -> type[ImageFile.ImageFile]:
    start = file.read(16)
    file.seek(0)
    if not start:
        raise UnreadableImage(path, "empty file")
    for signature, decoder in _DECODERS:
        if re.match(signature, start, re.DOTALL):
            return decoder
    raise UnreadableImage(path, "not an image artclf can read (JPEG, PNG, WebP, GIF, BMP, TIFF)")


def _reason(decoder: type[ImageFile.ImageFile], error: Exception) -> str:
    name = "WebP" if decoder is WebPImageFile else decoder.format
    if isinstance(error, MemoryError):
        return f"not enough memory for this {name}"
    words = error.args[0] if error.args else None
    if not isinstance(words, str) or type(error) not in {OSError, SyntaxError, ValueError}:
        return f"damaged, incomplete or unsupported {name}"  # the rest speaks of Pillow's code, not of the file
    if "truncated" in words.lower():
        return "truncated: the file ends before the picture does"
    if words == "not identified by this driver":
        words = "no width or no height"
    return f"damaged, incomplete or unsupported {name}: {' '.join(words.split())}"


def _require_every_strip(image: ImageFile.ImageFile) -> None:
    """Refuse a TIFF that lists fewer strips or tiles than its size needs: Pillow would leave the rest black."""
    boxes = {tile[1] for tile in image.tile or () if tile[1]}
    covered = sum((right - left) * (lower - upper) for left, upper, right, lower in boxes)
    if covered < image.width * image.height:
        raise OSError("truncated")


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Tell how EXIF wants a loaded picture turned; None for not at all.

    `ImageOps.exif_transpose` is not used: it also writes the EXIF block anew, which fails on blocks with unusual tags.
    A TIFF has been turned by Pillow already, and then says nothing here.
    """
    try:
        return _TRANSPOSE.get(image.getexif().get(Tag.Orientation))
    except _DECODER_ERRORS:  # a damaged EXIF block says nothing: the picture is taken as it is stored
        return None


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        image = _as_grey(image)
    if image.mode in {"La", "RGBa"}:  # colours multiplied by alpha; Pillow converts these only to their plain kind
        image = image.convert(image.mode.upper())
    if image.has_transparency_data:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        white = Image.new("RGB", rgba.size, "white")
        white.paste(rgba, mask=rgba)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _as_grey(image: Image.Image) -> Image.Image:
    """8-bit grey from one channel of 12, 16 or 32 bits, which Pillow's own conversion would clip at 255."""
    samples = np.asarray(image)
    bits, signed, white_is_zero = 16, False, False
    if isinstance(image, TiffImageFile):
        bits = image.tag_v2.get(Tag.BitsPerSample, (16,))[0]
        signed = image.tag_v2.get(Tag.SampleFormat, (1,))[0] == 2
        white_is_zero = image.tag_v2.get(Tag.PhotometricInterpretation) == 0
    if image.mode == "F":
        high = float(samples.max())
        if not np.isfinite([float(samples.min()), high]).all():  # NaN passes through min and max
            raise ValueError("pixels that are infinite or not a number")
        white = next((white for white in (1.0, 255.0, 65535.0) if high <= 2 * white), high)
    else:
        if bits == 32 and not signed:
            samples = samples.view(np.uint32)  # Pillow keeps them in signed integers
        white = 2.0 ** (bits - signed) - 1
    levels = samples.astype(np.float32)
    np.clip(levels, 0, white, out=levels)
    levels *= 255 / white
    if white_is_zero:
        np.subtract(255, levels, out=levels)
    grey = np.rint(levels, out=levels).astype(np.uint8)
    transparent = image.info.get("transparency")  # PNG: the one grey value that stands for nothing
    if transparent is not None:
        grey[samples == transparent] = 255
    return Image.fromarray(grey)
