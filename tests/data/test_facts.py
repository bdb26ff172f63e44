import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from artclf.data.facts import FileFacts, read_facts
from artclf.data.images import UnreadableImage

# `artclf.data.images` says the same when it is imported, but pytest sets its own filters anew for each test.
pytestmark = pytest.mark.filterwarnings(r"ignore::UserWarning:PIL\.(Png|Tiff)ImagePlugin")


def noise(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (18, 24, 3), dtype=np.uint8)).convert(mode)


@pytest.mark.parametrize(
    ("file_format", "mode"),
    [
        ("PNG", "RGB"),
        ("PNG", "L"),
        ("PNG", "P"),
        ("PNG", "RGBA"),
        ("WEBP", "RGB"),
        ("GIF", "P"),
        ("BMP", "RGB"),
        ("TIFF", "CMYK"),
    ],
)
def test_formats_without_a_quality(tmp_path: Path, file_format: str, mode: str) -> None:
    path = tmp_path / "picture.jpg"  # the name is not trusted
    noise(mode).save(path, file_format)
    assert read_facts(path) == FileFacts(24, 18, file_format, mode, path.stat().st_size)


def test_a_jpeg_has_its_settings_too(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    noise().save(path, "JPEG", quality=83, subsampling="4:2:2")
    colour = read_facts(str(path))
    assert colour == FileFacts(24, 18, "JPEG", "RGB", path.stat().st_size, 83, True, "4:2:2", colour.tables)
    noise("L").save(path, "JPEG", quality=95)
    grey = read_facts(path)
    assert grey == FileFacts(24, 18, "JPEG", "L", path.stat().st_size, 95, True, None, grey.tables)
    assert len(colour.tables or "") == len(grey.tables or "") == 8
    assert colour.tables != grey.tables


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_is_told(tmp_path: Path, file_format: str) -> None:
    exif, directory = Image.Exif(), ImageFileDirectory_v2()
    exif[0x0110] = "a camera"
    directory[0x8769] = {0x9003: "2026:01:01 00:00:00"}
    noise().save(tmp_path / "with", file_format, **({"tiffinfo": directory} if file_format == "TIFF" else {"exif": exif}))
    noise().save(tmp_path / "without", file_format)
    assert read_facts(tmp_path / "with").exif
    assert not read_facts(tmp_path / "without").exif


def test_sizes_are_those_stored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    noise().save(tmp_path / "turned.jpg", exif=exif)
    assert (read_facts(tmp_path / "turned.jpg").width, read_facts(tmp_path / "turned.jpg").height) == (24, 18)


def test_pixels_are_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    noise().save(path)
    whole = read_facts(path)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\xff\xda") + 16])  # the header of the scan, and no more
    assert read_facts(path) == FileFacts(
        24, 18, "JPEG", "RGB", path.stat().st_size, *(whole.jpeg_quality, True, "4:2:0", whole.tables)
    )


def test_what_gives_no_picture_is_refused(tmp_path: Path) -> None:
    picture = tmp_path / "picture.jpg"
    noise().save(picture)
    data = picture.read_bytes()
    tables = data.index(b"\xff\xdb")
    files = {
        "empty.jpg": (b"", "empty file"),
        "text.jpg": (b"no picture", "not an image artclf can read"),
        "header.jpg": (data[:30], "truncated|damaged"),
        "no_tables.jpg": (data[:tables] + data[data.index(b"\xff\xc0") :], "damaged, incomplete or unsupported JPEG"),
    }
    for name, (content, reason) in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableImage, match=rf"{name}: ({reason})"):
            read_facts(tmp_path / name)
    with pytest.raises(UnreadableImage, match=r"gone\.jpg: no such file"):
        read_facts(tmp_path / "gone.jpg")
    with pytest.raises(UnreadableImage, match=r"24x18 pixels is over the limit of 400"):
        read_facts(picture, max_pixels=400)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_any_damage_gives_facts_or_a_refusal(tmp_path: Path, file_format: str) -> None:
    path, rng, refused = tmp_path / "picture", random.Random(0), 0
    noise().save(path, file_format)
    data = path.read_bytes()
    for _ in range(150):
        damaged = bytearray(data[: rng.choice((len(data), rng.randrange(len(data))))])
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(min(len(damaged), rng.choice((64, 700)))) if damaged else 0
            damaged[at : at + 1] = rng.randbytes(1)
        path.write_bytes(damaged)
        try:
            assert read_facts(path).width > 0
        except UnreadableImage:
            refused += 1
    assert 0 < refused < 150
