import io

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from artclf.data.jpeg import estimate_quality, name_tables, subsampling


def encoded(mode: str = "RGB", **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def opened(mode: str = "RGB", **options: object) -> JpegImageFile:
    return JpegImageFile(io.BytesIO(encoded(mode, **options)), "")


@pytest.mark.parametrize(
    ("mode", "options", "sampling"),
    [
        *(("RGB", {"subsampling": sampling}, sampling) for sampling in ("4:4:4", "4:2:2", "4:2:0")),
        ("L", {}, None),
        ("CMYK", {}, None),
        ("RGB", {"keep_rgb": True, "subsampling": "4:4:4"}, "4:4:4"),
    ],
    ids=str,
)
def test_pillows_settings_come_back_exactly(mode: str, options: dict[str, object], sampling: str | None) -> None:
    for quality in (1, 24, 25, 49, 50, 51, 75, 99, 100):
        assert estimate_quality(opened(mode, quality=quality, **options)) == (quality, True)
    assert subsampling(opened(mode, **options)) == sampling


def test_the_same_tables_have_the_same_name() -> None:
    assert name_tables(opened(quality=80)) == name_tables(opened(quality=80, subsampling="4:4:4"))
    names = {name_tables(opened(mode, quality=quality)) for mode in ("RGB", "L") for quality in range(1, 101)}
    assert len(names) == 200


def test_other_subsampling_has_no_name() -> None:
    data = bytearray(encoded(subsampling="4:2:0"))
    data[data.index(b"\xff\xc0") + 11] = 0x41  # 4:1:1, which Pillow does not write
    assert subsampling(JpegImageFile(io.BytesIO(data), "")) == "other"


def test_other_tables_get_the_nearest_quality() -> None:
    tables = {quality: opened(quality=quality).quantization for quality in (60, 80, 90)}
    assert estimate_quality(opened(qtables=[tables[90][0], tables[60][1]])) == (90, False)
    shifted = [[entry + 1 for entry in tables[80][number]] for number in (0, 1)]
    quality, exact = estimate_quality(opened(qtables=shifted))
    assert not exact
    assert 77 <= quality <= 80
    assert not estimate_quality(opened(quality="web_high"))[1]  # Photoshop's
