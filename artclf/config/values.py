"""The kinds of values that keys of the configuration take, with their bounds."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from artclf.errors import shown

LONGEST_NAME, LONGEST_PATH = 255, 4096  # bytes, of Linux; of other systems about as many
LARGEST = 2**31 - 1  # of whole numbers that have no limit of their own
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
NotNegative = Annotated[int, Field(ge=0, le=LARGEST)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Drawn = Annotated[int, Field(ge=1, le=10_000)]
CANONICAL_QUALITY = 75  # of most JPEGs on the web, and of AI-ArtBench's AI images
Quality = Annotated[int, Field(ge=1, le=100)]
Qualities = Annotated[list[Quality], Field(min_length=2, max_length=2)]  # the lowest and the highest
SIDES = (32, 2048)  # pixels a side that an image may have in a network
ImageSize = Annotated[int, Field(ge=SIDES[0], le=SIDES[1])]
Number = Annotated[float, Field(allow_inf_nan=False)]
ThreeMeans = Annotated[list[Number], Field(min_length=3, max_length=3)]
ThreeDeviations = Annotated[list[Annotated[Number, Field(gt=0.0)]], Field(min_length=3, max_length=3)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
MoreThanZero = Annotated[float, Field(gt=0.0, le=1e38)]  # single precision ends at 3.4e38
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=100)]  # files are named after it


def path_mistake(path: str) -> str | None:
    """Why no file system can have a path."""
    too_long = len(os.fsencode(path)) >= LONGEST_PATH or max(map(len, os.fsencode(path).split(b"/"))) > LONGEST_NAME
    if not too_long and "\0" not in path:
        return None
    return f"got {shown(path)}; allowed: names of at most {LONGEST_NAME} bytes, {LONGEST_PATH - 1} in all, without NUL"


def absolute(path: str) -> str:
    """The absolute form of a path, which means the same wherever it is read. ValueError where no file system can have it."""
    if wrong := path_mistake(path):
        raise ValueError(wrong)
    place = Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 (which leaves an unknown ~name as it is)
    return path and str(place.resolve() if ".." in place.parts else place)


def number_or(lowest: int, *words: str, highest: int = 1_000_000) -> BeforeValidator:
    """Accept a whole number in these bounds, or one of the words: one error where a union would give several."""

    def check(value: object) -> object:
        number = isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest
        if not number and value not in words:
            raise ValueError(f"got {shown(value)}; allowed: a whole number from {lowest} to {highest}, {', '.join(words)}")
        return value

    return BeforeValidator(check)


Location = Annotated[str, AfterValidator(absolute)]
Weights = Annotated[str, AfterValidator(lambda words: words if words in ("auto", "pretrained", "none") else absolute(words))]
