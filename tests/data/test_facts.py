import hashlib
import random
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from artclf.data.demo.draw import STYLES, draw_picture
from artclf.data.facts import NAMES, FileFacts, measure, measure_files, perceptual_hash, read_facts, survey_files
from artclf.data.images import UnreadableImage
from artclf.data.manifest import Manifest
from tests.conftest import draw

# `artclf.data.images` says the same when it is imported, but pytest sets its own filters anew for each test.
pytestmark = pytest.mark.filterwarnings(r"ignore::UserWarning:PIL\.(Png|Tiff)ImagePlugin")


def noise(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (18, 24, 3), dtype=np.uint8)).convert(mode)


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


def test_every_file_is_read_or_listed_with_the_reason(damaged: Manifest) -> None:
    survey = survey_files(damaged, threads=2)
    assert survey.looked_at == 8
    assert survey.facts["path"].tolist() == sorted(f"ai/sd/oil/{n}.png" for n in range(3)) + [
        f"human/ink/{n}.jpg" for n in range(3)
    ]
    assert survey.facts["format"].tolist() == ["PNG"] * 3 + ["JPEG"] * 3
    assert survey.facts["jpeg_quality"].isna().tolist() == [True] * 3 + [False] * 3
    assert set(zip(survey.facts["width"], survey.facts["height"], strict=True)) == {(40, 36)}
    sizes = [(damaged.root / path).stat().st_size for path in survey.facts["path"]]
    assert survey.facts["bytes"].tolist() == sizes
    assert survey.unreadable.to_dict("records") == [
        {"path": "ai/sd/text.jpg", "label": "ai", "reason": "not an image artclf can read (JPEG, PNG, WebP, GIF, BMP, TIFF)"},
        {"path": "human/empty.png", "label": "human", "reason": "empty file"},
    ]


def test_a_sample_reads_no_more_than_asked(damaged: Manifest) -> None:
    survey = survey_files(damaged, sample=4, seed=1)
    assert survey.looked_at == 4
    assert len(survey.manifest.table) == 8
    assert survey_files(damaged, sample=8).looked_at == survey_files(damaged, sample=None).looked_at == 8


def plain(red: int, green: int, blue: int, size: tuple[int, int] = (80, 50)) -> Image.Image:
    return Image.new("RGB", size, (red, green, blue))


def painting(seed: int, size: int = 256) -> Image.Image:
    return Image.fromarray(draw_picture(list(STYLES)[seed % len(STYLES)], np.random.default_rng(seed), size))


def saved(image: Image.Image, quality: int) -> Image.Image:
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def apart(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_plain_pictures_have_the_statistics_of_their_colour() -> None:
    red = measure(plain(255, 0, 0))
    assert red.brightness == pytest.approx(0.299, abs=1e-6)
    assert (red.contrast, red.saturation, red.saturation_spread) == (0.0, 1.0, 0.0)
    assert (red.red, red.green, red.blue) == pytest.approx((0.701, -0.299, -0.299), abs=1e-6)
    grey = measure(plain(102, 102, 102))
    assert (grey.brightness, grey.saturation, grey.red, grey.green, grey.blue) == (0.4, 0.0, 0.0, 0.0, 0.0)
    assert measure(plain(0, 0, 0)).saturation == 0.0


def test_detail_is_left_out() -> None:
    """A grid of single pixels, such as upsampling leaves, is not seen: only how bright it is on average."""
    pixels = np.zeros((256, 256, 3), dtype=np.uint8)
    pixels[::2] = 200
    assert measure(Image.fromarray(pixels)).contrast < 0.005


@pytest.mark.parametrize("seed", range(4))
def test_a_copy_is_known_by_its_hash(seed: int) -> None:
    image = painting(seed)
    half = image.resize((128, 128), Image.Resampling.BICUBIC)
    own = perceptual_hash(image)
    assert len(own) == 16
    for copy in (half, saved(image, 40), saved(half, 75), image.point(lambda value: min(255, int(value * 1.1)))):
        assert apart(own, perceptual_hash(copy)) <= 4


def test_unrelated_pictures_have_hashes_far_apart() -> None:
    hashes = [perceptual_hash(painting(seed, 96)) for seed in range(16)]
    assert min(apart(one, other) for number, one in enumerate(hashes) for other in hashes[:number]) > 4


def test_a_picture_of_one_shade_has_no_hash() -> None:
    assert perceptual_hash(plain(90, 30, 60)) == ""


def test_files_are_measured_and_damaged_ones_told(tmp_path: Path) -> None:
    for number in range(3):
        draw(tmp_path / f"{number}.png", "ai", number)
    data = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(data[: len(data) // 2])
    rows = [{"path": f"{number}.png", "label": "ai", "generator": "sd", "style": "", "split": ""} for number in range(3)]
    survey = survey_files(Manifest.of(tmp_path, rows), quiet=True)
    assert len(survey.facts) == 3
    survey, measured, after = measure_files(survey, quiet=True)
    assert survey.facts["path"].tolist() == ["0.png", "2.png"]
    assert survey.unreadable["path"].tolist() == ["1.png"]
    assert "truncated" in survey.unreadable["reason"][0]
    assert list(measured.columns) == ["sha256", "hash", *NAMES]
    assert measured["sha256"][1] == hashlib.sha256((tmp_path / "2.png").read_bytes()).hexdigest()
    assert after is None


def test_canonical_pictures_are_measured_beside_them(tmp_path: Path) -> None:
    draw(tmp_path / "0.png", "ai", 0)
    rows = [{"path": "0.png", "label": "ai", "generator": "sd", "style": "", "split": ""}]
    survey = survey_files(Manifest.of(tmp_path, rows), quiet=True)
    _, measured, after = measure_files(survey, canonical=lambda image: plain(255, 0, 0), quiet=True)
    assert after is not None
    assert list(after.columns) == list(NAMES)
    assert after["saturation"][0] == 1.0
    assert measured["saturation"][0] < 1.0
