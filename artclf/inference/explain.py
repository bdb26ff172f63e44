"""Which parts of an image move its score, by occlusion, and whether the map is true, by deletion and insertion."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from torchvision.transforms.v2.functional import gaussian_blur

from artclf.data.reader import Pixels
from artclf.errors import needing
from artclf.evaluation import Floats
from artclf.evaluation.decision import AI, CERTAIN, HUMAN
from artclf.inference.predict import Model

GRID = 14  # cells a side of a map
WINDOW = 3  # cells a side of what is hidden at a time
STEPS = 10  # of deletion and insertion
RANDOM = 9  # maps: a random one is better than all of them once in ten times
GREY = 128.0


@dataclass(frozen=True)
class Fidelity:
    """How well a map ranks the cells of an image, as mean probabilities of the class that the score speaks for."""

    deletion: float  # while cells turn grey, the most important first: the lower, the better
    insertion: float  # while cells appear in a blurred image, in the same order: the higher, the better

    @property
    def gain(self) -> float:
        """Insertion minus deletion."""
        return self.insertion - self.deletion


@dataclass(frozen=True)
class Explanation:
    """A map of what moves the score of an image, its fidelity, and that of random maps."""

    pixels: Pixels  # what the network is shown, [S, S, 3]
    cells: Floats  # [GRID, GRID]: how much the logit falls where a cell is hidden; above 0 it speaks for AI, below for human
    towards: str  # the class that the score speaks for, "ai" or "human"
    fidelity: Fidelity
    random: tuple[Fidelity, ...]

    @property
    def is_faithful(self) -> bool:
        """Whether the map has a higher gain than each random one."""
        return self.fidelity.gain > max(one.gain for one in self.random)

    @property
    def by_chance(self) -> Fidelity:
        """The mean of the random maps."""
        deletion, insertion = np.mean([(one.deletion, one.insertion) for one in self.random], axis=0)
        return Fidelity(float(deletion), float(insertion))


def explain(model: Model, image: Path) -> Explanation:
    """Map what moves an image's score; the same image and model give the same map.

    A window that slides over the image is filled with the image's mean colour (occlusion: Zeiler and Fergus, ECCV 2014).
    Deletion and insertion are those of Petsiuk et al. (RISE, BMVC 2018). The random maps are as smooth as the map: they have
    its spectrum with random phases (Theiler et al., Physica D 58, 1992).

    Args:
        model: a trained or exported model. Gradients are not needed.
        image: the file.

    Raises:
        UnreadableImage: the image can't be read.
        ArtclfError: captum is not installed.
    """
    with needing("a case file", 'pip install "artclf[explain]"'):
        from captum.attr import Occlusion  # noqa: PLC0415 (an extra)
    scorer, rng = model.scorer, np.random.default_rng(0)
    pixels = scorer.reader(model.max_pixels).read(image)

    def logit(images: torch.Tensor) -> torch.Tensor:
        squares = images.round().to(torch.uint8).numpy()
        batches = np.split(squares, range(scorer.batch, len(squares), scorer.batch))
        return torch.from_numpy(np.concatenate([scorer.p_ai(batch) for batch in batches])).logit(CERTAIN)

    shown = torch.from_numpy(pixels)[None].float()
    side = max(1, shown.shape[-1] // GRID)
    windows = {"sliding_window_shapes": (3, WINDOW * side, WINDOW * side), "strides": (3, side, side)}
    mean = shown.mean((2, 3), keepdim=True).expand_as(shown)
    falls = Occlusion(logit).attribute(shown, baselines=mean, perturbations_per_eval=scorer.batch, **windows)
    cells = F.adaptive_avg_pool2d(falls[:, :1], GRID)[0, 0].double().numpy()
    sign = 1 if float(logit(shown)) >= 0 else -1
    spectrum, shape = np.abs(np.fft.fft2(cells)), cells.shape
    phases = (np.angle(np.fft.fft2(rng.standard_normal(shape))) for _ in range(RANDOM))
    maps = [sign * cells, *(np.fft.ifft2(spectrum * np.exp(1j * phase)).real for phase in phases)]
    own, *random = (_fidelity(shown, one, lambda images: torch.sigmoid(sign * logit(images))) for one in maps)
    return Explanation(pixels.transpose(1, 2, 0), cells, AI if sign > 0 else HUMAN, own, tuple(random))


def _fidelity(shown: torch.Tensor, importance: Floats, probability: Callable[[torch.Tensor], torch.Tensor]) -> Fidelity:
    """Areas under the curves of an image's probability [1] by the share of its cells that are hidden, or shown."""
    size = shown.shape[-1]
    kernel = 2 * (size // 9) + 1
    blurred = gaussian_blur(shown, [kernel, kernel], [size / 18, size / 18])
    ranks = np.argsort(np.argsort(-importance, axis=None, kind="stable"), kind="stable").reshape(1, 1, *importance.shape)
    limits = torch.linspace(0, importance.size, STEPS + 1).view(-1, 1, 1, 1)
    first = F.interpolate((torch.from_numpy(ranks) < limits).float(), size=(size, size))  # [STEPS + 1, 1, S, S]
    curves = [probability(under * first + over * (1 - first)) for over, under in ((shown, GREY), (blurred, shown))]
    return Fidelity(*(float(torch.trapezoid(curve, dx=1 / STEPS)) for curve in curves))
