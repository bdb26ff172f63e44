"""Odd and damaged images: each gives sound pixels or one UnreadableImage, in bounded time and memory."""

import os
import random
import resource
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from artclf.data.facts import read_facts
from artclf.data.images import UnreadableImage, read_image
from tests.trials.drawn import (
    DAMAGE,
    SOUND,
    blocks,
    chunk,
    encode,
    flip,
    gif_with,
    jpeg_with,
    picture,
    png_with,
    tiff,
    tiff_with,
    webp_with,
)

MOST_PIXELS = 1_000_000  # in trials
MOST_SECONDS = 20.0
MOST_MEMORY = 700  # MiB beyond what was in use before

READ, REFUSED, EITHER = "read", "refused", "either"
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Trial:
    content: bytes | None  # of the file; None where it exists already
    outcome: str = EITHER
    pixels: Pixels | None = None  # what is right if it is read; None: any
    path: Path | None = None


def _metadata(rng: random.Random) -> dict[str, Trial]:
    """Sound pixels among damaged, large or odd metadata."""
    noise, zipped = rng.randbytes(1_500_000), zlib.compress(b"node" * 500_000)
    bad_exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x09" + rng.randbytes(40)
    of = {name: np.array(read_image("x", content=content)) for name, content in SOUND.items()}
    chunks = {
        "zTXt": [chunk(b"zTXt", b"workflow\0\0" + zipped)],
        "iTXt": [chunk(b"iTXt", b"workflow\0\1\0\0\0" + zipped)],
        "many tEXt": [chunk(b"tEXt", b"key\0" + noise[:1000])] * 2000,
        "iCCP": [chunk(b"iCCP", b"press\0\0" + zlib.compress(noise))],
        "iCCP of nothing": [chunk(b"iCCP", b"")],
        "eXIf": [chunk(b"eXIf", bad_exif[6:])],
        "eXIf, checksum": [chunk(b"eXIf", bad_exif[6:], sound=False)],
        "private": [chunk(b"prVt", noise)],
    }
    chunks |= {f"{name}, checksum": [chunk(name.encode(), rng.randbytes(9), sound=False)] for name in ("tEXt", "gAMA", "pHYs")}
    random_ones = ("cHRM", "sRGB", "tIME", "acTL", "fcTL", "pHYs")
    chunks |= {f"{name}, noise": [chunk(name.encode(), rng.randbytes(5))] for name in random_ones}
    found = {f"png {name}": (png_with(*several), of["png RGB"]) for name, several in chunks.items()}
    found["png text behind the pixels"] = png_with(chunk(b"zTXt", b"workflow\0\0" + zipped), at_end=True), of["png RGB"]
    for marker in (*range(0xE0, 0xF0), 0xFE):
        found[f"jpeg {marker:X}"] = jpeg_with(marker, rng.randbytes(rng.choice((0, 3, 50, 60_000)))), of["jpeg RGB"]
    for marker, body in ((0xE0, b"JFIF\0"), (0xE2, b"ICC_PROFILE\0"), (0xEE, b"Adobe"), (0xED, b"Photoshop 3.0\x008BIM\4\4")):
        found[f"jpeg {body[:5].decode()} cut"] = jpeg_with(marker, body), of["jpeg RGB"]
    found["jpeg EXIF"] = jpeg_with(0xE1, bad_exif), of["jpeg RGB"]
    for name, flag in {b"ICCP": 0x20, b"EXIF": 8, b"XMP ": 4}.items():
        found[f"webp {name!r}"] = webp_with((name, rng.randbytes(99)), flags=flag), of["webp"]
    found["webp flags of what is not there"] = webp_with(flags=0x2C), of["webp"]
    found["webp unknown chunk"] = webp_with((b"abcd", noise[:1001]), flags=0), of["webp"]
    found["gif comment"] = gif_with(b"!\xfe" + blocks(noise * 2)), of["gif"]
    found["gif application"] = gif_with(b"!\xff" + blocks(b"XMP DataXMP" + noise)), of["gif"]
    grey = np.repeat(np.arange(64, dtype=np.uint8).reshape(8, 8, 1), 3, axis=2)
    for tag in (270, 282, 305, 306, 700, 33723, 34377, 34665, 34675, 37724, 65000):
        for kind in (2, 5, 7):
            found[f"tiff tag {tag} of kind {kind}"] = (
                tiff_with(tag, kind, rng.choice((1, 50, 10**6, 2**31)), rng.getrandbits(31)),
                grey,
            )
    exif = Image.Exif()
    exif[0x010F] = "a camera of this name"
    whole = encode(picture(), "AVIF", exif=exif)
    found["avif EXIF"] = whole.replace(exif.tobytes()[6:14], b"\xff" * 8), of["avif"]
    trials = {name: Trial(content, READ, pixels) for name, (content, pixels) in found.items()}
    for name in [name for name in trials if name.startswith("tiff tag 270 ")]:  # it stands before those of the pixels
        trials[name] = replace(trials[name], outcome=EITHER)  # Pillow before 13 reads no tag behind it
    return trials | {
        f"{name}, and more behind it": Trial(content + noise[:9999], READ, of[name]) for name, content in SOUND.items()
    }


def _bombs(rng: random.Random) -> dict[str, Trial]:
    """Too large, too slow, or too many; tests/data/test_images.py has more, with the reason of each."""
    png, progressive = SOUND["png RGB"], SOUND["jpeg progressive"]
    last_scan = progressive.rindex(b"\xff\xda")
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2**30, 2**30, 8, 2, 0, 0, 0))
    fax = encode(picture("1"), "TIFF", compression="group4")
    palette = chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 3, 0, 0, 0))
    tile = {256: 8, 257: 8, 258: 8, 259: 5, 262: 1, 277: 1, 322: 2**16, 323: 2**14, 324: 8, 325: 64}
    refused = {
        "jpeg of 5,000 scans": progressive[:-2] + (progressive[last_scan:-2]) * 5000 + b"\xff\xd9",
        "png bomb": png[:8] + header + png[33:],
        "png of 300,000 chunks": png[:33] + chunk(b"teXt", b"") * 300_000 + png[33:],
        "png of zeros": png[:33] + bytes(30_000_000),
        "png, a wrong checksum of its pixels": png[:-14] + bytes([png[-14] ^ 1]) + png[-13:],
        "png without its palette": png[:8] + palette + chunk(b"IDAT", zlib.compress(bytes(90))) + chunk(b"IEND", b""),
        "tiff of a tile": tiff([(tag, 4, 1, value) for tag, value in tile.items()]),
        "fax, damaged": flip(fax, rng, 100, len(fax), 3),
        "text": b"a picture of a castle",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    }  # fmt: skip
    return {name: Trial(content, REFUSED) for name, content in refused.items()}


def _places(folder: Path) -> dict[str, Trial]:
    """Files that are none, or that never end."""
    (folder / "cycle").symlink_to(folder / "cycle")
    (folder / "nowhere").symlink_to(folder / "gone")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "to a pipe").symlink_to(folder / "pipe")
    with (folder / "sparse").open("wb") as file:
        file.write(SOUND["png RGB"])
        file.truncate(2**42)
    places = ["cycle", "nowhere", "folder", "pipe", "to a pipe", "sparse", "x" * 300, "null\0byte"]
    paths = "/dev/zero /dev/null /dev/random /dev/tty /proc/self/mem /proc/self/maps /proc/kmsg /proc/kcore"
    devices = [name for name in paths.split() if Path(name).exists()]
    return {name: Trial(None, REFUSED, path=folder / name) for name in [*places, *devices]}


def _list(folder: Path, rng: random.Random) -> dict[str, Callable[[], Trial]]:
    """Every kind, and how a trial of it is made."""
    fixed = {**_metadata(rng), **_bombs(rng), **_places(folder)}
    kinds: dict[str, Callable[[], Trial]] = {name: (lambda trial=trial: trial) for name, trial in fixed.items()}  # type: ignore[misc]
    for name, content in SOUND.items():
        # what has checksums is read rightly or not at all
        right = np.array(read_image("x", content=content)) if name.startswith("png") else None
        for how, damage in DAMAGE.items():
            sure = None if how in {"another's beginning", "parts exchanged"} else right
            kinds[f"{name}, {how}"] = lambda c=content, d=damage, p=sure: Trial(d(c, rng), EITHER, p)  # type: ignore[misc]
    return kinds


def _attempt(path: Path, trial: Trial) -> str:
    """Read a file; returns what is wrong with what happened, or nothing."""
    try:
        pixels = np.array(read_image(path, max_pixels=MOST_PIXELS))
        read_facts(path, max_pixels=MOST_PIXELS)
    except UnreadableImage as error:
        if "\n" in error.reason or not error.reason or len(error.reason) > 300:
            return f"the reason is not one line: {error.reason!r}"
        return f"refused: {error.reason}" if trial.outcome == READ else ""
    except BaseException as error:  # noqa: BLE001 (whatever else it is, it would end a run)
        return f"{type(error).__name__}: {error}"
    if trial.outcome == REFUSED:
        return "read, though it should be refused"
    if trial.pixels is not None and not np.array_equal(pixels, trial.pixels):
        return "wrong pixels"
    return "" if pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3 else f"pixels {pixels.shape}"


def _in_time(path: Path, trial: Trial) -> str:
    outcome: list[str] = []
    before, began = _memory(), time.monotonic()
    reading = threading.Thread(target=lambda: outcome.append(_attempt(path, trial)), daemon=True)
    reading.start()
    reading.join(MOST_SECONDS)
    if not outcome:
        return f"not done after {time.monotonic() - began:.0f} s"
    used = _memory() - before
    return outcome[0] or (f"took {used} MiB" if used > MOST_MEMORY else "")


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # MiB at most so far; on Linux


def run(count: int, seed: int) -> tuple[int, list[str]]:
    """Try so many images, of each kind in turn. Returns how many were tried, and a line for each that failed."""
    rng, failures = random.Random(seed), []
    with tempfile.TemporaryDirectory() as name:
        kinds = list(_list(Path(name), rng).items())
        for number in range(count):
            kind, make = kinds[number % len(kinds)]
            trial, file = make(), Path(name, "trial")
            if trial.content is not None:
                file.write_bytes(trial.content)
            if wrong := _in_time(trial.path or file, trial):
                failures.append(f"{kind} (number {number}): {wrong}")
    return count, failures
