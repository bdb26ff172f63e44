"""What a few repeated measurements say: their median and how far apart they are, ratios of pairs, shares of a count."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

T = TypeVar("T")
Z95 = 1.959964  # the standard normal distribution's 97.5% quantile


@dataclass(frozen=True)
class Spread:
    """The median, the lowest and the highest of some measurements, and how many they were."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of one measurement or more."""
        return cls(median(values), min(values), max(values), len(values))

    def text(self, unit: str = "") -> str:
        """As in "4.2 s (4.1–4.4)"; without the range where there was but one measurement."""
        shown = f"{number(self.median)}{unit}"
        return shown if self.n == 1 else f"{shown} ({number(self.low)}–{number(self.high)})"


def number(value: float) -> str:
    """A number with as many digits as a reader can use: two decimals below 10, one below 100, none above."""
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:,.{digits}f}"


def ratios(above: Sequence[float], below: Sequence[float]) -> Spread:
    """The spread of the ratios within each pair, measured one right after the other: what slows a whole pair cancels out."""
    return Spread.of([a / b for a, b in zip(above, below, strict=True)])


def interleaved(repeat: int, **sides: Callable[[int], T]) -> dict[str, list[T]]:
    """Measure the sides in turn, `repeat` times; every other time in the opposite order, so that none always comes first.

    Args:
        repeat: how many rounds.
        sides: each is called with the number of the round, from 0.

    Returns:
        For each side what it gave, in the order of the rounds.
    """
    found: dict[str, list[T]] = {name: [] for name in sides}
    for turn in range(repeat):
        for name in list(sides) if turn % 2 == 0 else reversed(list(sides)):
            found[name].append(sides[name](turn))
    return found


def wilson(right: float, n: int) -> tuple[float, float]:
    """The 95% interval of a share.

    Args:
        right: the share that was found, in [0, 1].
        n: of how many.

    Returns:
        Lowest and highest, by Wilson's score (1927): it stays in [0, 1], and holds for few pictures too.
    """
    scale = 1 + Z95**2 / n
    centre = (right + Z95**2 / (2 * n)) / scale
    half = Z95 * math.sqrt(right * (1 - right) / n + Z95**2 / (4 * n**2)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def noise(first: float, second: float, n: int) -> float:
    """How far apart two shares of n pictures each lie by chance in 95% of cases, were both classifiers equally good.

    The pictures are the same, so the true figure is smaller: it takes the two for independent.
    """
    pooled = (first + second) / 2
    return Z95 * math.sqrt(2 * pooled * (1 - pooled) / n)
