"""Sound image files of each kind, ways to damage them, and files with metadata of one's own."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image


def picture(mode: str = "RGB", size: tuple[int, int] = (37, 29)) -> Image.Image:
    rng = np.random.default_rng([size[0], len(mode)])
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 4), dtype=np.uint8), "RGBA" if mode in {"RGBA", "LA"} else None)
    image = (coarse if mode in {"RGBA", "LA"} else coarse.convert("RGB")).resize(size, Image.Resampling.BICUBIC)
    return (
        image.convert("L").convert("I").point(lambda level: level * 257).convert("I;16")
        if mode == "I;16"
        else image.convert(mode)
    )


def encode(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _sound() -> dict[str, bytes]:
    """A sound file of each kind."""

    def several() -> dict[str, Any]:
        return {"save_all": True, "append_images": [picture("RGB").rotate(90)]}

    files = {f"png {mode}": encode(picture(mode), "PNG") for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16")}
    files |= {f"jpeg {mode}": encode(picture(mode), "JPEG") for mode in ("RGB", "L", "CMYK")}
    files |= {f"tiff {mode}": encode(picture(mode), "TIFF") for mode in ("RGB", "RGBA", "L", "1", "CMYK", "I;16")}
    files |= {f"bmp {mode}": encode(picture(mode), "BMP") for mode in ("RGB", "L", "1", "P")}
    codecs = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    files |= {f"tiff {codec}": encode(picture(), "TIFF", compression=codec) for codec in codecs}
    files |= {
        "png interlaced palette": encode(picture("P"), "PNG", transparency=3),
        "apng": encode(picture(), "PNG", **several()),
        "jpeg progressive": encode(picture(), "JPEG", progressive=True, subsampling=0),
        "mpo": encode(picture(), "MPO", **several()),
        "webp": encode(picture(), "WEBP"),
        "webp alpha": encode(picture("RGBA"), "WEBP", lossless=True),
        "webp animated": encode(picture(), "WEBP", **several()),
        "gif": encode(picture(), "GIF"),
        "gif animated": encode(picture(), "GIF", **several()),
        "tiff pages": encode(picture(), "TIFF", **several()),
        "avif": encode(picture(), "AVIF"),
        "avif alpha": encode(picture("RGBA"), "AVIF"),
    }
    return files


Damage = Callable[[bytes, random.Random], bytes]


def flip(content: bytes, rng: random.Random, first: int, last: int, times: int) -> bytes:
    changed = bytearray(content)
    for _ in range(times):
        changed[rng.randrange(first, min(last, len(changed)))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _swap(content: bytes, rng: random.Random) -> bytes:
    a, b, c = sorted(rng.randrange(len(content)) for _ in range(3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def _blank(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    length = rng.randrange(1, 64)
    return content[:at] + bytes(length) + content[at + length :]


DAMAGE: dict[str, Damage] = {
    "one bit": lambda content, rng: flip(content, rng, 0, len(content), 1),
    "bits": lambda content, rng: flip(content, rng, 0, len(content), rng.randrange(2, 40)),
    "bits of the header": lambda content, rng: flip(content, rng, 4, 64, rng.randrange(1, 6)),
    "truncated": lambda content, rng: content[: rng.randrange(len(content))],
    "parts exchanged": _swap,
    "zeros": _blank,
    "bytes inserted": lambda content, rng: content[: (at := rng.randrange(len(content)))] + rng.randbytes(9) + content[at:],
    "another's beginning": lambda content, rng: rng.choice(list(SOUND.values()))[: rng.randrange(4, 200)] + content[32:],
}


def chunk(kind: bytes, body: bytes, *, sound: bool = True) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ (not sound))


def png_with(*chunks: bytes, at_end: bool = False) -> bytes:
    content = SOUND["png RGB"]
    at = len(content) - 12 if at_end else 33
    return content[:at] + b"".join(chunks) + content[at:]


def jpeg_with(marker: int, body: bytes) -> bytes:
    content = SOUND["jpeg RGB"]
    return content[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + content[2:]


def webp_with(*chunks: tuple[bytes, bytes], flags: int) -> bytes:
    plain = encode(picture(), "WEBP")
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes([flags, 0, 0, 0]) + b"\x24\0\0\x1c\0\0"
    rest = b"".join(name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2) for name, body in chunks)
    body = b"WEBP" + canvas + plain[12:] + rest
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif_with(extension: bytes) -> bytes:
    content = SOUND["gif"]
    at = 13 + (3 << (content[10] & 7) + 1)
    return content[:at] + extension + content[at:]


def blocks(data: bytes) -> bytes:
    return b"".join(bytes([len(data[at : at + 255])]) + data[at : at + 255] for at in range(0, len(data), 255)) + b"\0"


def tiff_with(tag: int, kind: int, count: int, value: int) -> bytes:
    """A grey TIFF with one more tag."""
    plain = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 8, 279: 64}
    return tiff([*((known, 4, 1, number) for known, number in plain.items()), (tag, kind, count, value)])


def tiff(rows: list[tuple[int, int, int, int]]) -> bytes:
    """64 bytes of pixels, and these tags: number, kind, count and value."""
    entries = b"".join(struct.pack("<HHII", *row) for row in sorted(rows))
    return b"II*\0" + struct.pack("<I", 72) + bytes(range(64)) + struct.pack("<H", len(rows)) + entries + bytes(4)


SOUND = _sound()
