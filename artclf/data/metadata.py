"""PNG and JPEG files without their metadata, so that it never decides whether the pixels can be read.

Pillow refuses a sound image for a text, profile or comment that is damaged or large, and its limits are settings of the
whole process. Here what the pixels do not need is left out of the bytes before a decoder sees them; EXIF, whose orientation
counts, stays. What a file lacks is left to the decoder to notice.
"""

import re
import struct
import zlib
from collections.abc import Iterator

MOST_CHUNKS = 2**18  # of a PNG: 2 GB of the usual 8 KiB each
MOST_SCANS = 50  # of a JPEG: progressive ones have 6 to 24; each takes as long as decoding the whole image

_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")  # between them are coded pixels, where FF is followed by 00 or D0 to D7
_EXIF = re.compile(rb"\xff\xe1..Exif\0\0", re.DOTALL)


def without_metadata(kind: str, content: bytes) -> bytes:
    """Leave the metadata out of a file of the kind "PNG" or "JPEG"; others, in which Pillow ignores it, stay as they are.

    Raises:
        ValueError: a checksum of a PNG's pixels is wrong, or a file has so many parts that reading it would take minutes.
    """
    if kind == "PNG":
        return b"".join(_png(content))
    return b"".join(_jpeg(content)) if kind == "JPEG" else content


def png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of each chunk of a PNG, up to IEND; the last one may end behind the content.

    Raises:
        ValueError: it has more than MOST_CHUNKS.
    """
    at, chunks, name = 8, 0, b""
    while len(content) >= at + 8 and name != b"IEND":
        chunks += 1
        if chunks > MOST_CHUNKS:
            raise ValueError(f"it has more than {MOST_CHUNKS:,} chunks")
        length, name = struct.unpack_from(">I4s", content, at)
        yield name, at, at + 12 + length
        at += 12 + length


def _png(content: bytes) -> Iterator[bytes]:
    """Critical chunks (their names begin with a capital letter), transparency, and EXIF where it is sound."""
    yield content[:8]
    for name, at, end in png_chunks(content):
        # a name with one wrong letter may be that of colours or transparency
        needed = name[0] < ord("a") or any(
            sum(a != b for a, b in zip(name, known, strict=True)) < 2 for known in (b"PLTE", b"tRNS")
        )
        sound = zlib.crc32(memoryview(content)[at + 4 : end - 4]).to_bytes(4) == content[end - 4 : end]
        if needed and not sound and end <= len(content):
            raise ValueError(f"wrong checksum of a chunk {name.decode('ascii', 'replace')}")
        if needed or (name == b"eXIf" and sound):
            yield content[at:end]


def _jpeg(content: bytes) -> Iterator[bytes]:
    """All segments up to the end of the first image, but application data (save JFIF, EXIF, Adobe) and comments."""
    at = scans = 0
    while found := _MARKER.search(content, at):
        marker, start, body = found[1][0], found.start(), found.end()
        yield content[at:start]
        if marker == 0xD9:  # end of the image
            yield found[0]
            return
        if marker == 0xDA:
            scans += 1
            if scans > MOST_SCANS:
                raise ValueError(f"it has more than {MOST_SCANS} scans")
        at = body if marker == 0xD8 else body + max(2, int.from_bytes(content[body : body + 2]))  # D8: start of the image
        segment = content[start:at]
        if 0xE0 <= marker <= 0xEF or marker == 0xFE:
            whole_adobe = marker == 0xEE and segment[4:9] == b"Adobe" and len(segment) >= 16
            if not (segment.startswith(b"\xff\xe0\0\x10JFIF\0") or whole_adobe or _EXIF.match(segment)):
                continue
        yield segment
    yield content[at:]
