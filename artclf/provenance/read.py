"""What an image file itself says about its origin: C2PA, IPTC's digital source type, generators' own text, EXIF.

Nothing that a file holds is executed or fetched. A file that declares nothing may be of any origin.
"""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from artclf.data.files import DEFAULT_MAX_PIXELS, FORMATS, UnreadableImage, file_content, refusing
from artclf.data.images import decoder_of
from artclf.provenance.c2pa import read_c2pa
from artclf.provenance.statement import AI, HUMAN, NOTHING, Statement, judge, short
from artclf.provenance.texts import MOST_BYTES, READERS, other_texts

CAUTION = "Declaring nothing proves nothing: most services remove such fields, and anybody can write or remove an unsigned one."
MOST_TEXTS = 1_000  # of a file


@dataclass(frozen=True)
class Provenance:
    """All that a file declares; `note` says what could not be looked at, or is ""."""

    statements: tuple[Statement, ...]
    note: str = ""

    @property
    def state(self) -> str:
        """AI where any field says so, else HUMAN where any does, else NOTHING."""
        declared = {statement.declares for statement in self.statements}
        return next((state for state in (AI, HUMAN) if state in declared), NOTHING)


def read_provenance(path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS, trust_list: str = "") -> Provenance:
    """Read what a file declares about its origin. What is damaged declares nothing.

    Args:
        path: a regular file of one of `artclf.data.files.FORMATS`.
        max_pixels: limits the file's size, as in `open_file`.
        trust_list: certificates (PEM) of those whose C2PA signatures are trusted.

    Raises:
        UnreadableImage: the file can't be read, or is of no such format.
    """
    with file_content(path, max_pixels=max_pixels) as content:
        return provenance_of(path, content, trust_list)


def declared_state(path: Path, content: bytes) -> str:
    """AI, HUMAN or NOTHING: what the bytes of a file declare."""
    return provenance_of(path, content).state


def provenance_of(path: Path, content: bytes, trust_list: str = "") -> Provenance:
    """What the bytes of a file declare, as `read_provenance`."""
    decoder = decoder_of(content)
    if decoder is None:
        raise UnreadableImage(path, f"not an image artclf can read ({FORMATS})")
    found, note = read_c2pa(decoder.format or "", content, trust_list)
    texts = READERS.get(decoder.format or "", other_texts)(content)
    try:
        with refusing(path, "metadata"):
            for source, key, value in islice(texts, MOST_TEXTS):
                if declared := judge(key, value[:MOST_BYTES]):
                    found.append(Statement(declared, f"{source} {key}", short(value)))
    except UnreadableImage as error:  # what stands before the damage counts
        note = note or f"not all of it was looked at: {short(error.reason)}"
    return Provenance(tuple(dict.fromkeys(found)), note)
