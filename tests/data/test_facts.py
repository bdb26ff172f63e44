import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from artclf.data.canonical import Canonical
from artclf.data.demo import STYLES, draw_image
from artclf.data.facts import STATISTICS, FileFacts, jpeg_settings, measure, perceptual_hash, read_facts, survey_files
from artclf.data.images import UnreadableImage, read_image, reencode
from artclf.data.manifest import Manifest


def noise(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (18, 24, 3), dtype=np.uint8)).convert(mode)


def test_facts_of_a_jpeg_are_read_from_its_header_alone(tmp_path: Path) -> None:
    path, exif = tmp_path / "image.png", Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees: the size is the stored one
    noise().save(path, "JPEG", quality=83, subsampling="4:2:2", exif=exif)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\xff\xda") + 16])  # the header of the scan, and no more
    colour = read_facts(str(path))
    assert colour == FileFacts(24, 18, "JPEG", "RGB", path.stat().st_size, 83, True, "4:2:2", colour.tables, True)
    noise("L").save(path, "JPEG", quality=95)
    grey = read_facts(path)
    assert grey == FileFacts(24, 18, "JPEG", "L", path.stat().st_size, 95, True, None, grey.tables)
    assert colour.tables != grey.tables
    assert read_facts(path, max_pixels=400) == grey  # decoding can reduce it
    with pytest.raises(UnreadableImage, match=r"24x18 pixels is over the limit of 5;"):
        read_facts(path, max_pixels=5)
    path.write_bytes(data[: data.index(b"\xff\xdb")] + data[data.index(b"\xff\xc0") :])
    with pytest.raises(UnreadableImage, match=r"image\.png: damaged, incomplete or unsupported JPEG"):  # without its tables
        read_facts(path)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_exif_is_found(tmp_path: Path, file_format: str) -> None:
    exif, directory = Image.Exif(), ImageFileDirectory_v2()
    exif[0x0110] = "a camera"
    directory[0x8769] = {0x9003: "2026:01:01 00:00:00"}
    noise().save(tmp_path / "with", file_format, **({"tiffinfo": directory} if file_format == "TIFF" else {"exif": exif}))
    noise().save(tmp_path / "without", file_format)
    assert read_facts(tmp_path / "with").exif
    assert not read_facts(tmp_path / "without").exif


def test_every_file_is_read_or_listed_with_the_reason(damaged: Manifest) -> None:
    survey = survey_files(damaged, threads=2)
    assert survey.opened == 8
    facts = survey.facts
    assert facts["path"].tolist() == [f"ai/sd/oil/{n}.png" for n in range(3)] + [f"human/ink/{n}.jpg" for n in range(3)]
    assert facts["format"].tolist() == ["PNG"] * 3 + ["JPEG"] * 3
    assert facts["jpeg_quality"].isna().tolist() == [True] * 3 + [False] * 3
    assert facts["bytes"].tolist() == [(damaged.root / path).stat().st_size for path in facts["path"]]
    assert survey.unreadable.to_numpy().tolist() == [
        ["ai/sd/text.jpg", "ai", "sd", "unknown", "", "not an image artclf can read (JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF)"],
        ["human/empty.png", "human", "human", "unknown", "", "empty file"],
    ]
    sample = survey_files(damaged, sample=4, seed=1)
    assert (sample.opened, len(sample.manifest.table)) == (4, 8)


def test_files_are_measured_as_stored_and_in_canonical_form(damaged: Manifest) -> None:
    data = (damaged.root / "ai/sd/oil/1.png").read_bytes()
    (damaged.root / "ai/sd/oil/1.png").write_bytes(data[: len(data) // 2])
    assert len(survey_files(damaged).facts) == 6  # its header is sound
    form = Canonical(16, 75)
    survey = survey_files(damaged, canonical=form)
    assert survey.unreadable["path"].tolist() == ["ai/sd/oil/1.png", "ai/sd/text.jpg", "human/empty.png"]
    assert "truncated" in survey.unreadable["reason"][0]
    assert survey.measured is not None
    assert survey.canonical is not None
    assert list(survey.measured.columns) == ["sha256", "hash", "declared", *STATISTICS]
    files = [damaged.root / path for path in survey.facts["path"]]
    assert survey.measured["sha256"].tolist() == [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    images = [read_image(file) for file in files]
    assert survey.measured[list(STATISTICS)].to_dict("records") == [measure(image) for image in images]
    assert survey.canonical.to_dict("records") == [measure(form(image)) for image in images]


def plain(red: int, green: int, blue: int) -> Image.Image:
    return Image.new("RGB", (80, 50), (red, green, blue))


def test_statistics_of_one_colour_and_of_fine_detail() -> None:
    red, grey, black = measure(plain(255, 0, 0)), measure(plain(102, 102, 102)), measure(plain(0, 0, 0))
    assert list(red.values()) == pytest.approx([0.299, 0.0, 1.0, 0.0, 0.701, -0.299, -0.299], abs=1e-6)
    assert list(grey.values()) == pytest.approx([0.4, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], abs=1e-6)
    assert black["saturation"] == 0.0
    grid = np.zeros((256, 256, 3), dtype=np.uint8)
    grid[::2] = 200  # as upsampling leaves it
    assert measure(Image.fromarray(grid))["contrast"] < 0.005


def test_copies_have_nearly_the_same_hash_and_other_images_do_not() -> None:
    def bits(one: Image.Image, other: Image.Image) -> int:
        return (int(perceptual_hash(one), 16) ^ int(perceptual_hash(other), 16)).bit_count()

    images = [Image.fromarray(draw_image(style, np.random.default_rng(seed), 96)) for seed, style in enumerate(STYLES)]
    assert min(bits(one, other) for number, one in enumerate(images) for other in images[:number]) > 4
    for image in images[:4]:
        half = image.resize((48, 48), Image.Resampling.BICUBIC)
        brighter = image.point(lambda value: min(255, int(value * 1.1)))
        for copy in (half, reencode(image, "JPEG", quality=40), brighter):
            assert bits(image, copy) <= 4
    assert perceptual_hash(plain(90, 30, 60)) == ""


def encoded(mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    noise(mode).save(buffer, "JPEG", **options)
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
        assert jpeg_settings(opened(mode, quality=quality, **options))[:3] == (quality, True, sampling)


def test_the_same_tables_have_the_same_name() -> None:
    assert jpeg_settings(opened(quality=80))[3] == jpeg_settings(opened(quality=80, subsampling="4:4:4"))[3]
    names = {jpeg_settings(opened(mode, quality=quality))[3] for mode in ("RGB", "L") for quality in range(1, 101)}
    assert len(names) == 200


def test_other_subsampling_and_other_tables() -> None:
    data = bytearray(encoded(subsampling="4:2:0"))
    data[data.index(b"\xff\xc0") + 11] = 0x41  # 4:1:1, which Pillow does not write
    assert jpeg_settings(JpegImageFile(io.BytesIO(data), ""))[2] == "other"
    tables = {quality: opened(quality=quality).quantization for quality in (60, 80, 90)}
    assert jpeg_settings(opened(qtables=[tables[90][0], tables[60][1]]))[:2] == (90, False)  # the nearest quality
    shifted = [[entry + 1 for entry in tables[80][number]] for number in (0, 1)]
    quality, exact, *_ = jpeg_settings(opened(qtables=shifted))
    assert (exact, 77 <= quality <= 80) == (False, True)
    assert not jpeg_settings(opened(quality="web_high"))[1]  # Photoshop's
