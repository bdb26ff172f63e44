"""The canonical form: every image scaled to one size and encoded alike before the network sees it.

How a file was stored leaves traces in its pixels: JPEG blocks, the softness of a scaling. If the classes were stored
differently, a classifier may learn that instead of the art. After a coarser scaling and a stronger compression than any file
has been through, those traces are nearly the same in all images.
"""

from dataclasses import asdict, dataclass, replace
from typing import Self

from PIL import Image

from artclf.config.schema import DataConfig
from artclf.config.values import CANONICAL_QUALITY
from artclf.data.images import reencode


@dataclass(frozen=True)
class Canonical:
    """Scales an image's centre square to `side` pixels (bicubic, antialiased) and re-encodes it as JPEG of `quality`."""

    side: int  # no image should be smaller: enlarging leaves a trace of its own
    quality: int  # 1 to 100; no image should have been stored at a lower one

    @classmethod
    def from_config(cls, config: DataConfig) -> Self:
        """The form that a configuration describes, whether or not data.canonical asks for it."""
        if config.canonical_side is None:
            return replace(cls.for_size(int(config.image_size)), quality=config.canonical_quality)
        return cls(config.canonical_side, config.canonical_quality)

    @classmethod
    def for_size(cls, image_size: int) -> Self:
        """The default form for a network's input size: three quarters of it, so that all images are reduced."""
        return cls(image_size * 3 // 4, CANONICAL_QUALITY)

    def to_json(self) -> dict[str, int]:
        """As plain values, for checkpoints and metrics.json."""
        return asdict(self)

    def __call__(self, image: Image.Image) -> Image.Image:
        """RGB of any size → RGB, side × side."""
        square = min(image.size)
        left, top = (image.width - square) // 2, (image.height - square) // 2
        centre = image.crop((left, top, left + square, top + square))
        scaled = centre.resize((self.side, self.side), Image.Resampling.BICUBIC)
        return reencode(scaled, "JPEG", quality=self.quality, subsampling="4:2:0")
