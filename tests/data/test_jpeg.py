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


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_pillows_settings_come_back_exactly(sampling: str) -> None:
    for quality in QUALITIES:
        image = opened(encoded(quality=quality, subsampling=sampling))
        assert (estimate_quality(image), subsampling(image)) == ((quality, True), sampling)


@pytest.mark.parametrize(
    ("mode", "options"),
    [("L", {}), ("CMYK", {}), ("RGB", {"progressive": True}), ("RGB", {"optimize": True}), ("RGB", {"keep_rgb": True})],
    ids=str,
)
def test_so_they_do_for_every_kind_of_jpeg(mode: str, options: dict[str, bool]) -> None:
    for quality in QUALITIES:
        assert estimate_quality(opened(encoded(mode, quality=quality, **options))) == (quality, True)


def test_the_same_tables_have_the_same_name() -> None:
    assert name_tables(opened(encoded(quality=80))) == name_tables(opened(encoded(quality=80, subsampling="4:4:4")))
    names = {name_tables(opened(encoded(quality=quality))) for quality in QUALITIES}
    assert len(names) == 100
    assert name_tables(opened(encoded("L", quality=80))) not in names


def test_grey_has_no_colour_to_sample_and_cmyk_none_that_is_sampled_less() -> None:
    assert subsampling(opened(encoded("L"))) is None
    assert subsampling(opened(encoded("CMYK", quality=50))) == "4:4:4"


@pytest.mark.parametrize(
    ("luminance_factors", "notation"),
    [(0x11, "4:4:4"), (0x12, "4:4:0"), (0x21, "4:2:2"), (0x22, "4:2:0"), (0x41, "4:1:1"), (0x42, "4:1:0"), (0x31, "other")],
)
def test_sampling_that_pillow_does_not_write(luminance_factors: int, notation: str) -> None:
    data = bytearray(encoded(subsampling="4:2:0"))
    frame = data.index(b"\xff\xc0")
    assert data[frame + 11] == 0x22
    data[frame + 11] = luminance_factors  # high half: horizontal, low half: vertical
    assert subsampling(opened(bytes(data))) == notation


def test_colours_sampled_unlike_each_other_have_no_notation() -> None:
    data = bytearray(encoded(subsampling="4:2:0"))
    data[data.index(b"\xff\xc0") + 14] = 0x21
    assert subsampling(opened(bytes(data))) == "other"


def tables(quality: int) -> list[list[int]]:
    quantization = opened(encoded(quality=quality)).quantization
    return [quantization[0], quantization[1]]


def test_luminance_and_chrominance_of_different_qualities_are_not_exact() -> None:
    image = opened(encoded(qtables=[tables(90)[0], tables(60)[1]]))
    assert estimate_quality(image) == (90, False)


def test_tables_of_ones_own_get_the_nearest_quality() -> None:
    shifted = [[entry + 1 for entry in table] for table in tables(80)]
    quality, exact = estimate_quality(opened(encoded(qtables=shifted)))
    assert not exact
    assert 77 <= quality <= 80
    assert not estimate_quality(opened(encoded(quality="web_high")))[1]  # Photoshop's


def test_entries_over_255_are_known_too() -> None:
    """`cjpeg -quality 1` without `-baseline`: the standard table times 50."""
    luminance, chrominance = (np.array(table) for table in tables(50))
    image = opened(encoded("L"))
    image.quantization = {0: [int(entry) * 50 for entry in luminance]}
    assert estimate_quality(image) == (1, True)
    image = opened(encoded())
    image.quantization = {0: (luminance * 25).tolist(), 1: (chrominance * 25).tolist()}
    assert estimate_quality(image) == (2, True)
