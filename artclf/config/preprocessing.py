"""What happens to an image before a network sees it, as checkpoints and exported files hold it. Loads no torch."""

from typing import Annotated, Literal

from pydantic import Field

from artclf.config.schema import Section
from artclf.config.values import ImageSize, Quality, ThreeDeviations, ThreeMeans


class CanonicalForm(Section):
    """The form that images are brought into first (see `artclf.data.reader.Canonical`)."""

    side: Annotated[int, Field(ge=16, le=2048)]
    quality: Quality


class Preprocessing(Section):
    """What happens to an image before the body sees it."""

    mean: ThreeMeans  # per channel, of pixels in [0, 1]; std likewise
    std: ThreeDeviations
    interpolation: Literal["bilinear", "bicubic"]
    image_size: ImageSize
    canonical: CanonicalForm | None = None
