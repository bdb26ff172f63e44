"""Read any image file as RGB pixels, or refuse it with a reason.

Only Pillow's decoders for the six formats below ever run, chosen by the file's first bytes: its name is not trusted.
All functions are thread-safe: none changes a global setting while it runs.
There is no colour management: pixels are the stored values, whatever ICC profile comes with them.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Self

from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ExifTags import Base as Tag
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from artclf.errors import ArtclfError

DEFAULT_MAX_PIXELS = 89_478_485  # Pillow's own limit: 256 MiB as 8-bit RGB

# `Image.open` is not used: it warns about large images before their size can be checked, and it opens a phone's JPEG as an
# MPO, whose index may be damaged while its first image is fine.
_DECODERS: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (rb"\xff\xd8\xff", JpegImageFile),
    (rb"\x89PNG\r\n\x1a\n", PngImageFile),
    (rb"RIFF.{4}WEBP", WebPImageFile),
    (rb"GIF8[79]a", GifImageFile),
    (rb"BM", BmpImageFile),
    (rb"II[*+]\0|MM\0[*+]", TiffImageFile),
)

_TRANSPOSE: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # by EXIF orientation (tag 0x0112): how the stored image is turned upright

# Damaged metadata does not make an image unreadable, and Pillow's warnings name no file. Set once, at import:
# `warnings.catch_warnings` around each call is not thread-safe.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.(Png|Tiff)ImagePlugin")


class UnreadableImage(ArtclfError):  # noqa: N818  the name says what it is about
    """A file that gives no image: its `path`, and a short `reason` such as ``empty file``."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)  # both, so that it survives pickling on its way out of a worker process
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"

    @classmethod
    def of(cls, path: Path, error: OSError) -> Self:
        """For an error of the file system."""
        return cls(path, (error.strerror or str(error)).lower())


def read_image(
    path: Path | str,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    content: bytes | None = None,
    shorter_side: int | None = None,
    interpolation: str = "bilinear",
) -> Image.Image:
    """Read the first frame of an image file as RGB, upright.

    Transparency is laid on white. Grey of 16 bits is scaled to 0-255; other grey of more than 8 bits is refused. A truncated
    file is refused too; damage that libjpeg repairs silently is not noticed.

    Args:
        path: a JPEG, PNG, WebP, GIF, BMP or TIFF file, whatever its suffix.
        max_pixels: width times height above which a file is refused before it is decoded.
        content: the file's bytes, if the caller has them already.
        shorter_side: to how many pixels the caller will scale the shorter side. A JPEG of at least four times as many is
            decoded smaller and returned at exactly this size; any other image is returned at full size.
        interpolation: "bilinear" or "bicubic", for scaling such a JPEG.

    Raises:
        UnreadableImage: there is no such file, or it is of another format, damaged, truncated or too large.
    """
    size = box = None
    with open_image(path, max_pixels=max_pixels, content=content) as opened:
        if isinstance(opened, TiffImageFile):
            _require_every_strip(opened)
        shorter = min(opened.size)
        if isinstance(opened, JpegImageFile) and shorter_side and shorter >= 4 * shorter_side:
            # the longer side is rounded down as torchvision's resize does
            size = shorter_side * opened.width // shorter, shorter_side * opened.height // shorter
            # at 1/2, 1/4 or 1/8, with at least twice the shorter side left (Pillow's `reducing_gap`). The box holds the image:
            # 1001 pixels, halved, are 500.5 of 501 decoded ones.
            _, box = opened.draft(None, (2 * shorter_side, 2 * shorter_side)) or (None, None)
        opened.load()
        transpose = _transpose(opened)
        image = _as_rgb(opened)
        if size is not None:
            image = image.resize(size, Image.Resampling[interpolation.upper()], box=box)
        if transpose is not None:
            image = image.transpose(transpose)
    image.info = {}  # its EXIF orientation, for one, is no longer true
    return image


@contextmanager
def open_image(
    path: Path | str, *, max_pixels: int = DEFAULT_MAX_PIXELS, content: bytes | None = None
) -> Iterator[ImageFile.ImageFile]:
    """Open an image and read its header only. Decoding errors inside the `with` become `UnreadableImage` too.

    The arguments and errors are those of `read_image`.
    """
    path = Path(path)
    try:
        file: IO[bytes] = path.open("rb") if content is None else BytesIO(content)
    except OSError as error:
        raise UnreadableImage.of(path, error) from error
    with file:
        decoder = _decoder_for(path, file.read(16))
        file.seek(0)
        try:
            # Without the file's name: with it, Pillow maps raw pixels into memory, and a file truncated by another
            # process would then kill this one.
            image: ImageFile.ImageFile = decoder(file, "")
            if image.width * image.height > max_pixels:
                raise UnreadableImage(path, f"{image.width}x{image.height} pixels is over the limit of {max_pixels:,}")
            yield image
        except UnreadableImage:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            # Pillow itself checks a WebP's canvas and a GIF frame larger than its screen.
            raise UnreadableImage(path, f"over the limit of {max_pixels:,} pixels") from error
        except Exception as error:  # Pillow's decoders raise nearly anything on a damaged file
            raise UnreadableImage(path, _reason(decoder.format, error)) from error


def read_bytes(path: Path) -> bytes:
    """Read a whole file. Raises UnreadableImage where the file system refuses."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImage.of(path, error) from error


def reencode(image: Image.Image, kind: str, **options: int | str) -> Image.Image:
    """Encode an RGB image as `kind` ("JPEG" or "WEBP") with Pillow's options and decode it again.

    torchvision's v2.JPEG is not used: it is deprecated.
    """
    file = BytesIO()
    image.save(file, kind, **options)
    with Image.open(file, formats=[kind]) as encoded:
        return encoded.convert("RGB")


def _decoder_for(path: Path, start: bytes) -> type[ImageFile.ImageFile]:
    """The decoder for a file that starts with these bytes."""
    if not start:
        raise UnreadableImage(path, "empty file")
    for signature, decoder in _DECODERS:
        if re.match(signature, start, re.DOTALL):
            return decoder
    raise UnreadableImage(path, "not an image artclf can read (JPEG, PNG, WebP, GIF, BMP, TIFF)")


def _reason(name: str | None, error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"not enough memory for this {name}"
    damaged = f"damaged, incomplete or unsupported {name}"
    if type(error) in {OSError, SyntaxError, ValueError}:  # other messages are about Pillow's code, not about the file
        return f"{damaged}: {' '.join(str(error).split())}"
    return damaged


def _require_every_strip(image: TiffImageFile) -> None:
    """Refuse a TIFF that lists fewer strips or tiles than its size needs: Pillow would leave the rest black."""
    boxes = {tile[1] for tile in image.tile or () if tile[1]}
    covered = sum((right - left) * (lower - upper) for left, upper, right, lower in boxes)
    if covered < image.width * image.height:
        raise OSError("image file is truncated")


def _transpose(image: Image.Image) -> Image.Transpose | None:
    """How to turn a loaded image upright. `ImageOps.exif_transpose` also rewrites EXIF, which fails on unusual tags."""
    try:
        return _TRANSPOSE.get(image.getexif().get(Tag.Orientation))  # Pillow has turned a TIFF already, and removed the tag
    except Exception:  # noqa: BLE001 (a damaged EXIF block: the image is taken as it is stored)
        return None


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
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
    """8-bit grey from 16 bits, which Pillow's own conversion would clip at 255."""
    tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    bits, white_is_zero = tags.get(Tag.BitsPerSample, (16,)), tags.get(Tag.PhotometricInterpretation) == 0
    if not image.mode.startswith("I;16") or bits != (16,) or white_is_zero:
        raise ValueError("of more than 8 bits, only 16 unsigned bits with white at 65535 are read")
    image.info.pop("transparency", None)  # a 16-bit level
    return image.convert("I").point(lambda level: level * (1 / 257) + 0.5).convert("L")
