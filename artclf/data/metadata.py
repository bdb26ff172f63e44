"""Image files without their metadata, so that it never decides whether the pixels can be read.

Pillow refuses a sound image for a text, profile or comment that is damaged or large, and its limits are settings of the
whole process. Here what an image does not need is left out of the bytes before a decoder sees them; EXIF, whose orientation
counts, stays. What a file lacks is left to the decoder to notice.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import islice

MOST_PARTS = 2**20  # chunks, segments or blocks of a file: 30 times as many as a PNG of a gigabyte has
MOST_SCANS = 50  # of a JPEG: progressive ones have 6 to 24; each takes as long as decoding the whole image

_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")  # between them are coded pixels, where FF is followed by 00 or D0 to D7
# of TIFF 6.0 and its supplements: size, kind and place of the pixels, orientation, JPEG's tables; and that there is EXIF
_TIFF_TAGS = {
    *range(254, 260),
    262,
    266,
    273,
    274,
    277,
    278,
    279,
    284,
    292,
    293,
    317,
    320,
    *range(322, 326),
    332,
    336,
    338,
    339,
}
_TIFF_TAGS |= {347, *range(512, 522), *range(529, 533), 34665}
_VP8X_FLAGS = {b"ICCP": 0x20, b"EXIF": 0x08, b"XMP ": 0x04}


def without_metadata(kind: str, content: bytes) -> bytes:
    """Leave the metadata out of a file of the kind "PNG", "JPEG", "WEBP", "GIF" or "TIFF"; others are returned as they are.

    Raises:
        ValueError: a checksum of a PNG's pixels is wrong, or a file has so many parts that reading it would take minutes.
    """
    if kind not in _PARTS:
        return content
    kept = list(islice(_PARTS[kind](content), MOST_PARTS + 1))
    if len(kept) > MOST_PARTS:
        raise ValueError(f"it has more than {MOST_PARTS:,} parts")
    whole = b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(whole) - 8) + whole[8:] if kind == "WEBP" else whole


def _differ(name: bytes, other: bytes) -> int:
    return sum(one != two for one, two in zip(name, other, strict=True))


def _png(content: bytes) -> Iterator[bytes]:
    """Critical chunks (their names begin with a capital letter), transparency, and EXIF where it is sound."""
    yield content[:8]
    at = 8
    while len(content) >= at + 8:
        length, name = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        # a name with one wrong letter may be that of colours or transparency
        counts = name[0] < ord("a") or any(_differ(name, needed) < 2 for needed in (b"PLTE", b"tRNS"))
        sound = zlib.crc32(memoryview(content)[at + 4 : end - 4]).to_bytes(4) == content[end - 4 : end]
        if counts and not sound and end <= len(content):
            raise ValueError(f"wrong checksum of a chunk {name.decode('ascii', 'replace')}")
        yield content[at:end] if counts or (name == b"eXIf" and sound) else b""
        at = len(content) if name == b"IEND" else end


def _jpeg(content: bytes) -> Iterator[bytes]:
    """All segments up to the end of the first image, but application data (save JFIF, EXIF, Adobe) and comments."""
    at = scans = 0
    while found := _MARKER.search(content, at):
        marker = found[1][0]
        yield content[at : found.start()]
        if marker in {0xD8, 0xD9}:  # start and end
            yield found[0]
            at = found.end() if marker == 0xD8 else len(content)
            continue
        scans += marker == 0xDA
        if scans > MOST_SCANS:
            raise ValueError(f"it has more than {MOST_SCANS} scans")
        at = found.end() + max(2, int.from_bytes(content[found.end() : found.end() + 2]))
        segment = content[found.start() : at]
        decodes = segment[1:9] == b"\xe0\0\x10JFIF\0" or (
            segment[1] == 0xEE and segment[4:9] == b"Adobe" and len(segment) >= 16
        )
        if decodes or segment[1:2] + segment[4:10] == b"\xe1Exif\0\0" or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            yield segment
    yield content[at:]


def _webp(content: bytes) -> Iterator[bytes]:
    """The chunks of pixels, and EXIF where it is whole; the header then says what is there."""
    chunks, at = [], 12
    while len(content) >= at + 8:
        name, length = struct.unpack_from("<4sI", content, at)
        end = at + 8 + length + length % 2
        if name in {b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"} or (name == b"EXIF" and end <= len(content)):
            chunks.append(content[at:end])
        at = end
        if len(chunks) > MOST_PARTS:
            break
    names = {chunk[:4] for chunk in chunks}
    yield content[:12]
    for chunk in chunks:
        absent = sum(flag for name, flag in _VP8X_FLAGS.items() if name not in names)
        yield (
            chunk if chunk[:4] != b"VP8X" else chunk[:8] + bytes([chunk[8] & ~absent]) + chunk[9:] if len(chunk) > 8 else chunk
        )


def _gif(content: bytes) -> Iterator[bytes]:
    """The header, what controls the first frame (its transparent index), and all from its pixels on."""
    flags = content[10] if len(content) > 10 else 0
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    yield content[:at]
    control = b""
    while content[at : at + 1] == b"!":
        begin, at = at, at + 2
        while at < len(content) and content[at]:
            at += 1 + content[at]
            yield b""  # counts as a part
        at += 1
        if content[begin + 1 : begin + 3] == b"\xf9\x04" and at - begin == 8:
            control = (
                content[begin : begin + 3] + bytes([content[begin + 3] & 0xE3]) + content[begin + 4 : at]
            )  # not disposed of
    yield control
    yield content[at:]


def _tiff(content: bytes) -> Iterator[bytes]:
    """The file with a first directory of those tags alone that describe its pixels, and of none that is not understood."""
    order = "<" if content[:2] == b"II" else ">"
    big = content[2:4] in {b"+\0", b"\0+"}
    start, number, entry = ("Q", "Q", "HHQQ") if big else ("I", "H", "HHII")
    try:
        (at,) = struct.unpack_from(order + start, content, 8 if big else 4)
        (count,) = struct.unpack_from(order + number, content, at)
    except struct.error:
        yield content
        return
    first, size = at + struct.calcsize(number), struct.calcsize(order + entry)
    entries = [content[place : place + size] for place in range(first, min(first + count * size, len(content)), size)]
    kept = [tag for tag in entries if len(tag) == size and struct.unpack_from(order + "H", tag)[0] in _TIFF_TAGS]
    yield content[:at] + struct.pack(order + number, len(kept)) + b"".join(kept) + bytes(struct.calcsize(start))
    yield content[first + len(kept) * size + struct.calcsize(start) :]


_PARTS: dict[str, Callable[[bytes], Iterator[bytes]]] = {"PNG": _png, "JPEG": _jpeg, "WEBP": _webp, "GIF": _gif, "TIFF": _tiff}
