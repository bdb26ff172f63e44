"""Unusual and damaged files, made here: each gives the right pixels or the right reason."""

import errno
import io
import os
import pickle
import re
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from artclf.data.facts import read_facts
from artclf.data.images import UnreadableImage, read_image
from artclf.data.reader import ImageReader
from artclf.errors import ArtclfError
from tests.trials.drawn import chunk, encode

# `artclf.data.images` sets the same filter when it is imported, but pytest sets its own filters anew for each test.
pytestmark = pytest.mark.filterwarnings(r"ignore::UserWarning:PIL\.(Png|Tiff)ImagePlugin")

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
NOT_AN_IMAGE = re.escape("not an image artclf can read (JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF)")
TRUNCATED = "damaged, incomplete or unsupported .*truncated.*"


def flat(mode, colour, size=(16, 16)):
    return Image.new(mode, size, colour)


def noise():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (18, 24, 3), dtype=np.uint8))


def png(width, height, bits, colour_type, rows, *before):
    """A PNG from its raw rows (without filter bytes), with further chunks before the pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tiff(data, *, size=(16, 16), order="<", **tags):
    """An uncompressed TIFF of one strip; `tags` (t258=8, ...) replace those of 8-bit grey, None leaves one out."""
    entries = {256: size[0], 257: size[1], 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: size[1], 279: len(data)}
    entries |= {int(tag[1:]): value for tag, value in tags.items()}
    entries = {tag: value for tag, value in sorted(entries.items()) if value is not None}
    directory, beyond = b"", b""
    for tag, value in entries.items():
        values = value if isinstance(value, tuple) else (value,)
        packed = struct.pack(f"{order}{len(values)}I", *values)
        directory += struct.pack(f"{order}HHI", tag, 4, len(values))
        if len(values) == 1:
            directory += packed
        else:
            directory += struct.pack(f"{order}I", 8 + len(data) + 2 + 12 * len(entries) + 4 + len(beyond))
            beyond += packed
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8 + len(data))
    return start + data + struct.pack(f"{order}H", len(entries)) + directory + bytes(4) + beyond


def patch(data, at, new):
    return data[:at] + new + data[at + len(new) :]


def frames(file_format):
    return encode(flat("RGB", RED), file_format, save_all=True, append_images=[flat("RGB", BLUE)], lossless=True)


def webp_of_a_length_with_a_line_feed():
    files = (encode(flat("RGB", RED), "WEBP", lossless=True, exif=bytes(2 * extra)) for extra in range(1, 200))
    return next(data for data in files if data[4] == ord("\n"))


def repeat(fmt, *values, n=256):
    return struct.pack(fmt, *values) * n


AVIF = encode(flat("RGB", BLUE), "AVIF", quality=100, subsampling="4:4:4")

# name → (file, the colour of all its pixels)
READABLE = {
    "jpeg": (encode(flat("RGB", RED), "JPEG", quality=95), RED),
    "grey jpeg": (encode(flat("L", 90), "JPEG"), (90, 90, 90)),
    "cmyk jpeg": (encode(flat("CMYK", (0, 255, 255, 0)), "JPEG"), RED),
    "phone's mpo": (frames("MPO"), RED),
    "png": (encode(flat("RGB", BLUE), "PNG"), BLUE),
    "palette png, transparent index": (encode(flat("P", 0), "PNG", transparency=0), WHITE),
    "rgb png, transparent colour": (encode(flat("RGB", RED), "PNG", transparency=RED), WHITE),
    "rgba png": (encode(flat("RGBA", (0, 0, 200, 51)), "PNG"), (204, 204, 244)),
    "grey and alpha png": (encode(flat("LA", (0, 51)), "PNG"), (204, 204, 204)),
    "16-bit grey png": (png(1, 1, 16, 0, [b"\x80\x80"]), (128, 128, 128)),
    "16-bit rgb png": (png(1, 1, 16, 2, [struct.pack(">3H", 65535, 32896, 0)]), (255, 128, 0)),
    "webp, line feed in its length": (webp_of_a_length_with_a_line_feed(), RED),
    "animated webp": (frames("WEBP"), RED),
    "animated gif": (frames("GIF"), RED),
    "transparent gif": (encode(flat("P", 3), "GIF", transparency=3), WHITE),
    "tiff of pages": (frames("TIFF"), RED),
    "alpha tiff, multiplied": (tiff(repeat("4B", 0, 0, 40, 51), t258=(8,) * 4, t262=2, t277=4, t338=1), (204, 204, 244)),
    "16-bit tiff": (tiff(repeat("<H", 32896), t258=16), (128, 128, 128)),
    "16-bit tiff, big-endian": (tiff(repeat(">H", 32896), order=">", t258=16), (128, 128, 128)),
    "avif": (AVIF, BLUE),
    "avif, another brand": (AVIF.replace(b"ftypavif", b"ftypmif1"), BLUE),
    "one pixel wide": (encode(flat("RGB", RED, (1, 100_000)), "PNG"), RED),
    "jpeg with damaged EXIF": (encode(flat("RGB", RED), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09"), RED),
    "png with a broken animation": (png(1, 1, 8, 2, [bytes(RED)], chunk(b"acTL", bytes(8))), RED),
    "tiff with three resolutions": (tiff(bytes(256), t282=(1, 2, 3)), BLACK),
}  # fmt: skip


@pytest.mark.parametrize("name", READABLE)
def test_right_pixels(tmp_path, name):
    data, colour = READABLE[name]
    path = tmp_path / "image.dat"  # the suffix does not matter
    path.write_bytes(data)
    image = read_image(path)
    assert (image.mode, image.size, image.info) == ("RGB", Image.open(io.BytesIO(data)).size, {})
    slack = 3 if name.startswith(("jpeg", "grey jpeg", "cmyk", "phone", "avif")) else 0
    np.testing.assert_allclose(np.array(image).astype(int) - colour, 0, atol=slack)
    np.testing.assert_array_equal(np.array(read_image("not there", content=data)), np.array(image))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_every_exif_orientation_is_turned_upright(file_format):
    upright = np.zeros((32, 48, 3), np.uint8)  # red, green, blue and white: a quarter each, wider than high
    upright[:16, :24], upright[:16, 24:], upright[16:, :24], upright[16:, 24:] = RED, GREEN, BLUE, WHITE
    # EXIF 2.32, tag 0x0112: 1 to 4 mirror columns or rows, 5 to 8 also swap them
    mirrored = [upright, upright[:, ::-1], upright[::-1, ::-1], upright[::-1]]
    stored = [*mirrored, *(pixels.swapaxes(0, 1) for pixels in mirrored)]
    lossy = {"JPEG": {"quality": 100, "subsampling": 0}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}
    options = lossy.get(file_format, {"lossless": True})
    for orientation, pixels in enumerate(stored, 1):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = read_image("x", content=encode(Image.fromarray(pixels), file_format, exif=exif, **options))
        np.testing.assert_allclose(np.array(image).astype(int), upright, atol=2)
        assert image.getexif().get(0x0112, 1) == 1  # or the next reader would turn it again


PNG, JPEG, GIF, BMP = (encode(noise(), file_format) for file_format in ("PNG", "JPEG", "GIF", "BMP"))
WEBP, LZW = encode(noise(), "WEBP"), encode(noise(), "TIFF", compression="tiff_lzw")
FLAT_GIF = encode(flat("P", 0), "GIF")
OVER = "is over the limit of 89,478,485(; data.max_pixels=[0-9]+ in training, or --max-pixels [0-9]+, reads it)?"
OTHER_GREY = "damaged, incomplete or unsupported TIFF: of more than 8 bits, only 16 unsigned bits .*"

# name → (file, pattern that the whole reason matches)
UNREADABLE = {
    "empty": (b"", "empty file"),
    "postscript, which Pillow would run Ghostscript for": (b"%!PS-Adobe-3.0 EPSF-3.0\n", NOT_AN_IMAGE),
    "truncated jpeg": (JPEG[:-40], TRUNCATED),
    "truncated png": (PNG[:-40], TRUNCATED),
    "truncated gif": (GIF[:-40], TRUNCATED),
    "truncated tiff": (tiff(bytes(256), size=(16, 400)), TRUNCATED),
    "truncated webp": (WEBP[:-40], "damaged, incomplete or unsupported WEBP: .+"),
    "truncated tiff, lzw": (patch(LZW, len(LZW) // 2, bytes(len(LZW))), "damaged, incomplete or unsupported TIFF.*"),
    "png, wrong checksum": (patch(PNG, 29, b"\0\0\0\0"), "damaged.* PNG: wrong checksum of a chunk IHDR"),
    "png, no width": (png(0, 4, 8, 2, []), "damaged.* PNG.*"),
    "png between Pillow's warning and its error": (png(10_000, 10_000, 8, 2, [b""]), f"10000x10000 pixels {OVER}"),
    "jpeg bomb": (patch(JPEG, JPEG.index(b"\xff\xc0") + 5, struct.pack(">HH", 65_500, 65_500)), TRUNCATED),
    "tiff bomb": (tiff(bytes(256), size=(2**31, 2**31)), f"2147483648x2147483648 pixels {OVER}"),
    "gif bomb": (patch(GIF, 6, b"\xff\xff\xff\xff"), f"65535x65535 pixels {OVER}"),
    "gif frame bomb": (patch(FLAT_GIF, FLAT_GIF.index(b",") + 5, b"\x10\x27\x10\x27"), f"10000x10000 pixels {OVER}"),
    "webp bomb": (patch(frames("WEBP"), 24, b"\xff\x3f\0\xff\x3f\0"), ".*over the limit of 89,478,485.*"),
    "tiff, directory beyond the end": (b"II*\0\xff\xff\xff\x7f", "damaged.* TIFF.*"),
    "tiff, strips missing": (tiff(bytes(256), size=(16, 32), t278=16), TRUNCATED),
    "tiff, five samples a pixel": (tiff(bytes(1280), t258=(8,) * 5, t277=5), "damaged.* TIFF: unknown pixel mode"),
    "fax": (encode(flat("1", 1), "TIFF", compression="group4"), ".*fax compression .* hides damage; store it as PNG"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), NOT_AN_IMAGE),
    "12-bit tiff": (tiff(repeat("3B", 0x80, 0x88, 0x08, n=128), t258=12), OTHER_GREY),
    "16-bit tiff, white is zero": (tiff(repeat("<H", 5140), t258=16, t262=0), OTHER_GREY),
    "16-bit signed tiff": (tiff(repeat("<h", 16448), t258=16, t339=2), OTHER_GREY),
    "float tiff": (tiff(repeat("<f", 0.5), t258=32, t339=3), OTHER_GREY),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
def test_right_reason(tmp_path, name):
    data, reason = UNREADABLE[name]
    path = tmp_path / "image.jpg"
    path.write_bytes(data)
    with pytest.raises(UnreadableImage) as caught:
        read_image(path)
    assert re.fullmatch(reason, caught.value.reason)
    assert str(caught.value) == f"{path}: {caught.value.reason}"


def test_what_the_file_system_refuses(tmp_path):
    image = tmp_path / "image.png"
    image.write_bytes(PNG)
    places = {tmp_path / "gone.png": "no such file or directory", tmp_path: "is a directory", image / "in": "not a directory"}
    for path, reason in places.items():
        with pytest.raises(UnreadableImage, match=rf": {reason}$"):
            read_image(path)


def test_the_disk_fails_on_the_first_bytes(tmp_path, monkeypatch):
    (tmp_path / "image.png").write_bytes(PNG)

    def fail(self, *_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(
        "artclf.data.files.os.fdopen",
        lambda fd, mode: (os.close(fd), type("Bad", (io.BytesIO,), {"read": fail, "fileno": lambda _: 0})())[1],
    )
    for read in (read_image, read_facts):
        with pytest.raises(UnreadableImage, match="input/output error"):
            read(tmp_path / "image.png")


def test_a_pillow_without_avif_says_so(monkeypatch):
    monkeypatch.setattr("PIL.features.check", lambda name: name != "avif")
    with pytest.raises(UnreadableImage, match="AVIF: this Pillow has no decoder for it; type pip install --upgrade pillow"):
        read_image("x", content=encode(flat("RGB", RED), "AVIF"))


def test_large_images_can_be_read(tmp_path):
    """Above the limit of Pillow too, if that is asked for; a JPEG smaller, as it is not progressive."""
    assert read_image("x", content=JPEG, max_pixels=24 * 18 // 4).size == (12, 9)
    progressive = encode(noise(), "JPEG", progressive=True)
    with pytest.raises(UnreadableImage, match="24x18 pixels is over the limit of 108"):
        read_image("x", content=progressive, max_pixels=24 * 18 // 4)
    side = 13_400  # 180 million pixels: above twice Pillow's limit
    Image.new("1", (side, side)).save(tmp_path / "large.png")
    assert ImageReader(32, max_pixels=side**2).read(tmp_path / "large.png").sum() == 0
    with pytest.raises(UnreadableImage, match=f"; data.max_pixels={side**2} in training"):
        read_facts(tmp_path / "large.png")


def test_a_header_over_the_limit_is_refused_without_reading_the_file(tmp_path, monkeypatch):
    (tmp_path / "long.png").write_bytes(png(10_000, 10_000, 8, 2, [b""]) + bytes(2**19))
    monkeypatch.setattr("artclf.data.images.file_content", lambda *_, **__: pytest.fail("it is read whole"))
    with pytest.raises(UnreadableImage, match=f"10000x10000 pixels {OVER}"):
        read_facts(tmp_path / "long.png")


def test_too_little_memory_for_an_image_is_a_refusal(monkeypatch):
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda _: bytearray(10**18))
    with pytest.raises(UnreadableImage, match=r"x: not enough memory for this PNG$"):
        read_image("x", content=PNG)


def test_the_limit_of_pixels_is_the_callers():
    assert read_image("x", content=PNG, max_pixels=24 * 18).size == (24, 18)
    with pytest.raises(
        UnreadableImage,
        match=r": 24x18 pixels is over the limit of 431; data.max_pixels=432 in training, or --max-pixels 432, reads it$",
    ):
        read_image("x", content=PNG, max_pixels=24 * 18 - 1)


def test_an_error_can_be_pickled_on_its_way_out_of_a_worker(tmp_path):
    error = pickle.loads(pickle.dumps(UnreadableImage(tmp_path, "empty file")))
    assert isinstance(error, ArtclfError)
    assert (error.path, error.reason, str(error)) == (tmp_path, "empty file", f"{tmp_path}: empty file")


def test_many_threads_read_the_same_and_leave_the_filters_alone():
    def read(data):
        return np.array(read_image("x", content=data))

    files = [data for data, _ in READABLE.values()]
    alone, filters = [read(data) for data in files], list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        for one, other in zip(alone * 3, pool.map(read, files * 3), strict=True):
            np.testing.assert_array_equal(one, other)
    assert warnings.filters == filters
