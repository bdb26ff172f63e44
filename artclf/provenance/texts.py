"""The text fields of an image file: PNG chunks, a mark in the alpha channel, JPEG comments, EXIF and XMP.

Only metadata is read, and of a PNG with transparency the first rows. Damaged or hostile metadata gives no fields.
"""

import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from itertools import islice
from xml.etree import ElementTree

from PIL import Image
from PIL.ExifTags import IFD
from PIL.ExifTags import Base as Tag
from PIL.PngImagePlugin import PngImageFile

from artclf.data.images import decoder_of
from artclf.data.metadata import png_chunks

MOST_BYTES = 2**20  # of one text or XMP packet that are read
_MOST_CHUNKS = 100  # of a PNG that hold text
_MOST_TEXT = 2**22  # bytes of all of them, decompressed

_XMP_LISTS = {"Alt", "Bag", "Seq", "li"}
_XMP_KEYS = {"DigitalSourceType", "CreatorTool", "Credit", "Make", "AISystemUsed", "AIGC", "UserComment"}
_EXIF_KEYS = (Tag.Make, Tag.Model, Tag.Software, Tag.ImageDescription, Tag.UserComment)
_STEALTH_ROWS = 8 * len("stealth_pnginfo")
_MOST_PIXELS = 2**25  # bytes: so many rows of 2**16 pixels, compressed

Texts = Iterator[tuple[str, str, str]]  # where it stands ("PNG", "EXIF", "XMP", "JPEG"), its key, its value


def _png_texts(content: bytes) -> Texts:
    left = _MOST_TEXT
    wanted = (chunk for chunk in png_chunks(content) if chunk[0] in {b"tEXt", b"zTXt", b"iTXt", b"eXIf"})
    for name, at, end in islice(wanted, _MOST_CHUNKS):
        body = content[at + 8 : min(end - 4, at + 8 + MOST_BYTES)]
        if name == b"eXIf":
            yield from _exif_texts(body)
            continue
        key, _, value = body.partition(b"\0")
        compressed = name == b"zTXt" or (name == b"iTXt" and value[:1] == b"\1")
        # before a text stand its method; of iTXt, whether it is compressed, its method, language and translated key
        value = value[2:].split(b"\0", 2)[-1] if name == b"iTXt" else value[1:] if compressed else value
        with suppress(zlib.error):
            value = zlib.decompressobj().decompress(value, MOST_BYTES) if compressed else value
            left -= len(value)
            if left < 0:
                raise ValueError(f"its texts have more than {_MOST_TEXT:,} bytes")
            if key == b"XML:com.adobe.xmp":
                yield from _xmp_texts(value)
            else:
                yield "PNG", key.decode("latin-1"), value.decode("utf-8", "replace")
    yield from _alpha_texts(content)


def _alpha_texts(content: bytes) -> Texts:
    """The mark in the alpha channel; of the pixels, no more than the rows that it takes are decoded."""
    width, height = int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    if content[24:26] != b"\x08\x06" or height < _STEALTH_ROWS or width > 2**16:  # 8 bits, RGBA
        return
    pixels = bytearray()
    for name, at, end in png_chunks(content):
        if name == b"IDAT" and len(pixels) < _MOST_PIXELS:
            pixels += content[at + 8 : min(end - 4, at + 8 + _MOST_PIXELS)]
    header = content[16:20] + _STEALTH_ROWS.to_bytes(4) + content[24:29]
    parts = ((b"IHDR", header), (b"IDAT", bytes(pixels)), (b"IEND", b""))
    chunks = (len(body).to_bytes(4) + name + body + zlib.crc32(name + body).to_bytes(4) for name, body in parts)
    with PngImageFile(BytesIO(content[:8] + b"".join(chunks)), "") as image:
        column = image.getchannel("A").crop((0, 0, 1, _STEALTH_ROWS)).tobytes()
    bits = "".join(str(alpha & 1) for alpha in column)
    yield "PNG", "alpha", int(bits, 2).to_bytes(_STEALTH_ROWS // 8).decode("latin-1")


def _jpeg_texts(content: bytes) -> Texts:
    at = 2
    while content[at : at + 1] == b"\xff" and content[at + 1 : at + 2] not in {b"\xda", b"\xd9", b""}:  # up to the pixels
        marker, size = content[at + 1], int.from_bytes(content[at + 2 : at + 4])
        body = content[at + 4 : at + 2 + size]
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            yield from _exif_texts(body)
        elif marker == 0xE1 and body.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            yield from _xmp_texts(body.partition(b"\0")[2])
        elif marker == 0xFE:
            yield "JPEG", "comment", body.decode("utf-8", "replace")
        at += 2 + max(2, size)


def other_texts(content: bytes) -> Texts:
    """WebP, AVIF and GIF, in which Pillow passes over damaged metadata."""
    if (decoder := decoder_of(content)) is not None:
        with decoder(BytesIO(content), "") as image:
            yield from _exif_texts(image.info.get("exif", b""))
            yield from _xmp_texts(image.info.get("xmp", b""))


def _exif_texts(block: bytes) -> Texts:
    """The fields of an EXIF block, or of a TIFF, whose form it has."""
    with suppress(Exception):  # Pillow raises nearly anything for damaged EXIF
        exif = Image.Exif()
        exif.load(block)
        for tag in _EXIF_KEYS:
            value = exif.get_ifd(IFD.Exif).get(tag) if tag == Tag.UserComment else exif.get(tag)
            if isinstance(value, bytes):
                wide = "utf-16-le" if value[9:10] == b"\0" else "utf-16-be"
                value = value[8:].decode(wide if value[:8] == b"UNICODE\0" else "utf-8", "replace")
            if isinstance(value, str):
                yield "EXIF", tag.name, value
        yield from _xmp_texts(exif.get(Tag.XMLPacket, b""))


def _xmp_texts(packet: bytes) -> Texts:
    """Elements and attributes of an XMP packet; none of one with a document type, which could hold a bomb of entities."""
    text, key = packet[:MOST_BYTES].decode("utf-8", "replace").strip("\0\ufeff \r\n\t"), ""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return
    with suppress(ElementTree.ParseError):
        for element in ElementTree.fromstring(text).iter():
            name = element.tag.rpartition("}")[2]
            key = name if name in _XMP_KEYS or name not in _XMP_LISTS else key  # values may stand in a list
            attributes = [(full.rpartition("}")[2], value) for full, value in element.attrib.items()]
            named = [(key, element.text or ""), *((key if name == "resource" else name, value) for name, value in attributes)]
            yield from (("XMP", name, value) for name, value in named if name in _XMP_KEYS)


READERS = {"PNG": _png_texts, "JPEG": _jpeg_texts, "TIFF": _exif_texts}
