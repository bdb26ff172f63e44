"""Read any image file as RGB pixels, or refuse it with a reason.

Only Pillow's decoders for the seven formats below ever run, chosen by the file's first bytes: its name is not trusted.
All functions are thread-safe: none changes a global setting while it runs.
There is no colour management: pixels are the stored values, whatever ICC profile comes with them.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile, features
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ExifTags import Base as Tag
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from artclf.data.files import (
    DEFAULT_MAX_PIXELS,
    FORMATS,
    MOST_PIXELS,
    Budget,
    UnreadableImage,
    file_content,
    open_file,
    refusing,
)
from artclf.data.metadata import without_metadata

__all__ = ["DEFAULT_MAX_PIXELS", "UnreadableImage", "decoded_image", "open_image", "read_image", "reencode"]


# `Image.open` is not used: it warns about large images before their size can be checked, and it opens a phone's JPEG as an
# MPO, whose index may be damaged while its first image is fine.
_DECODERS: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (rb"\xff\xd8\xff", JpegImageFile),
    (rb"\x89PNG\r\n\x1a\n", PngImageFile),
    (rb"RIFF.{4}WEBP", WebPImageFile),
    (rb"GIF8[79]a", GifImageFile),
    (rb"BM.{4}\0{4}", BmpImageFile),
    (rb"II[*+]\0|MM\0[*+]", TiffImageFile),
    (rb".{4}ftyp(....){0,12}avi[fs]", AvifImageFile),
)
SIGNATURE = 64  # bytes of a file that these are looked for in
_HEADER = 2**18  # bytes of a file that mostly hold its header
_LARGE_IMAGE = 2**24  # pixels
_FAX = {2, 3, 4, 32771}  # compressions of TIFF, of ITU-T T.4 and T.6

_IN_FLIGHT = Budget(DEFAULT_MAX_PIXELS)  # decoding takes 4 to 15 bytes a pixel

_TURNS = ("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")
_TRANSPOSE: dict[object, Image.Transpose] = {
    orientation: Image.Transpose[turn]
    for orientation, turn in enumerate(_TURNS, start=2)  # EXIF's tag 0x0112
}

# Sizes are checked here, against the caller's limit; Pillow's own is one for the whole process, and also holds for crops.
Image.MAX_IMAGE_PIXELS = None

# Damaged metadata does not make an image unreadable, and Pillow's warnings name no file. Set once, at import:
# `warnings.catch_warnings` around each call is not thread-safe.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.(Png|Tiff)ImagePlugin")


def read_image(path: Path | str, *, max_pixels: int = DEFAULT_MAX_PIXELS, content: bytes | None = None) -> Image.Image:
    """Read a whole image as `decoded_image` does, whose arguments and errors these are."""
    with decoded_image(path, max_pixels=max_pixels, content=content) as image:
        return image


@contextmanager
def decoded_image(
    path: Path | str,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    content: bytes | None = None,
    shorter_side: int | None = None,
    interpolation: str = "bilinear",
) -> Iterator[Image.Image]:
    """Decode the first frame of an image file as RGB, upright, for as long as the `with` lasts.

    The images that threads decode and use in this way have no more than 89 million pixels together; a larger one is alone.
    Transparency is laid on white. Grey of 16 bits is scaled to 0-255; other grey of more than 8 bits is refused. A truncated
    file is refused too; damage that libjpeg repairs silently is not noticed.

    Args:
        path: a regular file of one of FORMATS, whatever its suffix.
        max_pixels: width times height above which a file is refused before it is decoded. A larger JPEG that is not
            progressive is decoded at 1/2, 1/4 or 1/8 of its size, if it then has no more.
        content: the file's bytes, if the caller has them already.
        shorter_side: to how many pixels the caller will scale the shorter side. A JPEG of at least four times as many, and
            any image of more than 16 million pixels, is returned at exactly this size, to save time or memory.
        interpolation: "bilinear" or "bicubic", for scaling it.

    Raises:
        UnreadableImage: the file can't be read, or the memory does not suffice, also for what is done inside the `with`.
    """
    path = Path(path)
    with file_content(path, max_pixels=max_pixels) if content is None else nullcontext(content) as data:
        opened = _opened(path, data)
        with refusing(path, opened.format):
            stored, reduction = opened.width * opened.height, _reduction(path, opened, max_pixels)
            if reduction > 1 and len(data) < stored / 256:  # two bits for each block of 8 x 8
                raise OSError("image file is truncated")
            size, box = _draft(opened, shorter_side, reduction)
        kind, decoded = opened.format, opened.width * opened.height
        with _IN_FLIGHT.hold(stored if "progressive" in opened.info else decoded):
            with refusing(path, kind):
                if isinstance(opened, TiffImageFile):
                    _check_tiff(opened)
                opened.load()
                image, transpose = as_rgb(opened), transpose_of(opened)
                del opened  # frees its pixels, if they had to be converted
                if size is not None:
                    image = image.resize(size, Image.Resampling[interpolation.upper()], box=box)
                if transpose is not None:
                    image = image.transpose(transpose)
                image.info = {}  # its EXIF orientation, for one, is no longer true
            try:
                yield image
            except MemoryError as error:
                raise UnreadableImage(path, "not enough memory for this image") from error


def _draft(
    opened: ImageFile.ImageFile, shorter_side: int | None, reduction: int
) -> tuple[tuple[int, int] | None, tuple[float, float, float, float] | None]:
    """Prepare a JPEG to be decoded smaller. Returns the size to scale a decoded image to, if any, and the box that holds it."""
    (width, height), shorter = opened.size, min(opened.size)
    jpeg = isinstance(opened, JpegImageFile)
    size = box = None
    if shorter_side and shorter >= 4 * shorter_side and (jpeg or width * height > _LARGE_IMAGE):
        # the longer side is rounded down as torchvision's resize does
        size = shorter_side * width // shorter, shorter_side * height // shorter
    if isinstance(opened, JpegImageFile) and (size or reduction > 1):
        # at 1/2, 1/4 or 1/8, with at least twice the shorter side left (Pillow's `reducing_gap`). The box holds the image:
        # 1001 pixels, halved, are 500.5 of 501 decoded ones.
        least = 2 * min(size) if size else shorter
        _, box = opened.draft(None, (min(least, width // reduction), min(least, height // reduction))) or (None, None)
    return size, box


@contextmanager
def open_image(path: Path | str, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Iterator[ImageFile.ImageFile]:
    """Open an image and read its header only. Errors inside the `with` become `UnreadableImage` too.

    The arguments and errors are those of `decoded_image`.
    """
    path = Path(path)
    with ExitStack() as stack:
        file = stack.enter_context(open_file(path, max_pixels=max_pixels))
        with refusing(path, "file"):
            start = file.read(_HEADER)
            file.seek(0)
        try:
            image = _opened(path, start, file)
        except UnreadableImage:
            if len(start) < _HEADER or decoder_of(start) in {None, TiffImageFile}:  # the rest would not help
                raise
            image = _opened(path, stack.enter_context(file_content(path, max_pixels=max_pixels)))
        with refusing(path, image.format):
            _reduction(path, image, max_pixels)
            yield image


def _opened(path: Path, content: bytes, file: IO[bytes] | None = None) -> ImageFile.ImageFile:
    """An image of these bytes, whose header was read. Of a TIFF, they are only the first ones, if its file is given."""
    decoder = decoder_of(content)
    if decoder is None:
        raise UnreadableImage(path, f"not an image artclf can read ({FORMATS})")
    kind = decoder.format or ""
    with refusing(path, kind):
        if decoder is AvifImageFile:
            return _open_avif(content)
        if decoder is TiffImageFile:  # its header may be at the end of the file
            return decoder(file or BytesIO(content), "")
        return decoder(BytesIO(without_metadata(kind, content)), "")


def _open_avif(content: bytes) -> ImageFile.ImageFile:
    if not features.check("avif"):
        raise OSError("this Pillow has no decoder for it; type pip install --upgrade pillow")
    try:
        return AvifImageFile(BytesIO(content), "")
    except Exception:
        if b"Exif" not in content:
            raise
        return AvifImageFile(BytesIO(content.replace(b"Exif", b"none")), "")  # Pillow refuses damaged EXIF


def _reduction(path: Path, image: ImageFile.ImageFile, max_pixels: int) -> int:
    """By how much each side is divided in decoding, so that the image is within the limit: 1, for a JPEG up to 8.

    Raises:
        UnreadableImage: it is over the limit even so.
    """
    width, height = image.size
    # all coefficients of a progressive one are held, however small it is decoded
    steps = (1, 2, 4, 8) if isinstance(image, JpegImageFile) and "progressive" not in image.info else (1,)
    if isinstance(image, TiffImageFile) and Tag.StripOffsets not in image.tag_v2:  # a tile may be larger than the image
        width, height = max(width, image.tag_v2.get(Tag.TileWidth, 0)), max(height, image.tag_v2.get(Tag.TileLength, 0))
    for step in steps:
        if width * height <= max_pixels * step**2:
            return step
    needed = width * height
    remedy = f"; data.max_pixels={needed} in training, or --max-pixels {needed}, reads it" if needed <= MOST_PIXELS else ""
    raise UnreadableImage(path, f"{width}x{height} pixels is over the limit of {max_pixels:,}{remedy}")


def reencode(image: Image.Image, kind: str, **options: int | str) -> Image.Image:
    """Encode an RGB image as `kind` ("JPEG" or "WEBP") with Pillow's options and decode it again.

    torchvision's v2.JPEG is not used: it is deprecated.
    """
    file = BytesIO()
    image.save(file, kind, **options)
    with Image.open(file, formats=[kind]) as encoded:
        return encoded.convert("RGB")


def decoder_of(start: bytes) -> type[ImageFile.ImageFile] | None:
    """The decoder for a file that starts with these bytes (`SIGNATURE` are enough); None if artclf reads no such format."""
    return next((decoder for signature, decoder in _DECODERS if re.match(signature, start[:SIGNATURE], re.DOTALL)), None)


def _check_tiff(image: TiffImageFile) -> None:
    """Refuse what would be decoded wrongly without an error: missing strips are left black, damaged fax lines are made up."""
    if image.tag_v2.get(Tag.Compression) in _FAX:
        raise OSError("its fax compression (CCITT) hides damage; store it as PNG")
    boxes = {tile[1] for tile in image.tile or () if tile[1]}
    covered = sum((right - left) * (lower - upper) for left, upper, right, lower in boxes)
    if covered < image.width * image.height:
        raise OSError("image file is truncated")


def transpose_of(image: Image.Image) -> Image.Transpose | None:
    """How to turn a loaded image upright. `ImageOps.exif_transpose` also rewrites EXIF, which fails on unusual tags."""
    try:
        return _TRANSPOSE.get(image.getexif().get(Tag.Orientation))  # Pillow has turned a TIFF already, and removed the tag
    except Exception:  # noqa: BLE001 (a damaged EXIF block: the image is taken as it is stored)
        return None


def as_rgb(image: Image.Image) -> Image.Image:
    """A loaded image of any mode as RGB, transparency laid on white. ValueError for grey of other depths than 8 and 16 bits."""
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
