import io

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from artclf.data.jpeg import estimate_quality, name_tables, subsampling

QUALITIES = range(1, 101)


def encoded(mode: str = "RGB", **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def opened(data: bytes) -> JpegImageFile:
    return JpegImageFile(io.BytesIO(data), "")


@pytest.mark.parametrize(
    ("mode", "options", "sampling"),
    [
        *(("RGB", {"subsampling": sampling}, sampling) for sampling in ("4:4:4", "4:2:2", "4:2:0")),
        ("L", {}, None),
        ("CMYK", {}, "4:4:4"),
        ("RGB", {"progressive": True}, "4:2:0"),
        ("RGB", {"keep_rgb": True, "subsampling": "4:4:4"}, "4:4:4"),
    ],
    ids=str,
)
def test_pillows_settings_come_back_exactly(mode: str, options: dict[str, object], sampling: str | None) -> None:
    for quality in QUALITIES:
        image = opened(encoded(mode, quality=quality, **options))
        assert estimate_quality(image) == (quality, True)
    assert subsampling(image) == sampling


def test_the_standard_tables_are_those_of_t81() -> None:
    luminance, chrominance = (np.array(table).reshape(8, 8) for table in tables(50))
    assert luminance[0].tolist() == [16, 11, 10, 16, 24, 40, 51, 61]
    assert chrominance[0].tolist() == [17, 18, 24, 47, 99, 99, 99, 99]
    assert (luminance.sum(), chrominance.sum()) == (3688, 5505)


def test_the_same_tables_have_the_same_name() -> None:
    assert name_tables(opened(encoded(quality=80))) == name_tables(opened(encoded(quality=80, subsampling="4:4:4")))
    names = {name_tables(opened(encoded(quality=quality))) for quality in QUALITIES}
    assert len(names) == 100
    assert name_tables(opened(encoded("L", quality=80))) not in names


@pytest.mark.parametrize(
    ("luminance", "chrominance", "notation"),
    [(0x12, 0x11, "4:4:0"), (0x41, 0x11, "4:1:1"), (0x42, 0x11, "4:1:0"), (0x31, 0x11, "other"), (0x22, 0x21, "other")],
)
def test_sampling_that_pillow_does_not_write(luminance: int, chrominance: int, notation: str) -> None:
    data = bytearray(encoded(subsampling="4:2:0"))
    frame = data.index(b"\xff\xc0")
    data[frame + 11], data[frame + 14] = luminance, chrominance  # high half: horizontal, low half: vertical
    assert subsampling(opened(bytes(data))) == notation


def tables(quality: int) -> list[list[int]]:
    quantization = opened(encoded(quality=quality)).quantization
    return [quantization[0], quantization[1]]


def test_other_tables_get_the_nearest_quality() -> None:
    assert estimate_quality(opened(encoded(qtables=[tables(90)[0], tables(60)[1]]))) == (90, False)
    shifted = [[entry + 1 for entry in table] for table in tables(80)]
    quality, exact = estimate_quality(opened(encoded(qtables=shifted)))
    assert not exact
    assert 77 <= quality <= 80
    assert not estimate_quality(opened(encoded(quality="web_high")))[1]  # Photoshop's


def test_entries_over_255_are_known_too() -> None:
    """As `cjpeg -quality 1` and `-quality 2` write them without `-baseline`: the standard tables times 50 and 25."""
    luminance, chrominance = (np.array(table) for table in tables(50))
    image = opened(encoded("L"))
    image.quantization = {0: (luminance * 50).tolist()}
    assert estimate_quality(image) == (1, True)
    image = opened(encoded())
    image.quantization = {0: (luminance * 25).tolist(), 1: (chrominance * 25).tolist()}
    assert estimate_quality(image) == (2, True)
