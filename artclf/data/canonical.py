"""One form for every picture: scaled to one size and encoded alike, before anything else sees it.

How a file was stored leaves a trace in its pixels: blocks of its JPEG quality, the softness of a scaling. Where the classes
were stored otherwise, a classifier may learn that instead of the art. What comes after a coarser scaling and a stronger
compression than any that a file has been through is much the same for all of them, as far as a network can tell.
"""

from dataclasses import asdict, dataclass, replace
from io import BytesIO
from typing import Self

from PIL import Image

from artclf.config.schema import CANONICAL_QUALITY as QUALITY
from artclf.config.schema import DataConfig


@dataclass(frozen=True)
class Canonical:
    """The form.

    Attributes:
        side: pixels a side of the square. No picture should be smaller: enlarging leaves a trace of its own.
        quality: of the JPEG encoding, 1 to 100. No picture should have been stored at a lower one.
    """

    side: int
    quality: int

    @classmethod
    def of(cls, config: DataConfig) -> Self | None:
        """The form that a configuration asks for; None where it asks for none."""
        return cls.described(config) if config.canonical else None

    @classmethod
    def described(cls, config: DataConfig) -> Self:
        """The form that a configuration describes, asked for or not; by default of three quarters of the network's size."""
        if config.canonical_side is None:
            return replace(cls.for_size(config.image_size), quality=config.canonical_quality)
        return cls(config.canonical_side, config.canonical_quality)

    @classmethod
    def for_size(cls, image_size: int) -> Self:
        """The form that goes with a network's size where nothing more is said: smaller, so that all pictures are reduced."""
        return cls(image_size * 3 // 4, QUALITY)

    def to_json(self) -> dict[str, int]:
        """As plain values, for checkpoints and metrics.json."""
        return asdict(self)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Bring a picture into the form: its centre square, scaled (bicubic, antialiased), encoded as JPEG, and decoded.

        Args:
            image: of mode RGB.

        Returns:
            RGB, side × side.
        """
        square = min(image.size)
        left, top = (image.width - square) // 2, (image.height - square) // 2
        centre = image.crop((left, top, left + square, top + square))
        scaled = centre.resize((self.side, self.side), Image.Resampling.BICUBIC)
        file = BytesIO()
        scaled.save(file, "JPEG", quality=self.quality, subsampling="4:2:0")
        with Image.open(file, formats=["JPEG"]) as encoded:
            return encoded.convert("RGB")
