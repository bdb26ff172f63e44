"""What is done about unequal classes. Every choice is a function of the labels and a seed."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Plan:
    """What an epoch is made of.

    Attributes:
        rows: [N], which picture each item is (a position in the training split).
        copies: [N], 0 for the picture itself, 1, 2, … for its augmented copies.
        weights: [N], how often each item is drawn, relative to the others; None where each is drawn once an epoch.
        pos_weight: what the loss of AI images is multiplied by; None where by nothing.
    """

    rows: npt.NDArray[np.int64]
    copies: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64] | None = None
    pos_weight: float | None = None


def plan_balance(targets: npt.NDArray[np.int64], name: str, seed: int) -> Plan:
    """Decide what an epoch is made of.

    Args:
        targets: [N], 0 = AI, 1 = human, as in the manifest; both occur.
        name: augment, sampler, pos_weight, undersample or none, as in conf/balance.
        seed: of the choice of pictures that are copied or left out.
    """
    everything = np.arange(len(targets))
    counts = np.bincount(targets, minlength=2)
    small = int(np.argmin(counts))
    rng = np.random.default_rng([seed, 0xBA1A])
    none = np.zeros(len(targets), dtype=np.int64)
    match name:
        case "augment":
            missing = int(counts.max() - counts.min())
            order = rng.permutation(np.flatnonzero(targets == small))
            number = np.arange(missing)  # round by round over the pictures, so that their numbers of copies differ by one
            rows = np.concatenate([everything, order[number % len(order)]])
            return Plan(rows, np.concatenate([none, number // len(order) + 1]))
        case "undersample":
            kept = [rng.permutation(np.flatnonzero(targets == label))[: counts.min()] for label in (0, 1)]
            rows = np.sort(np.concatenate(kept))
            return Plan(rows, none[: len(rows)])
        case "sampler":
            return Plan(everything, none, weights=1.0 / counts[targets])
        case "pos_weight":
            return Plan(everything, none, pos_weight=float(counts[1] / counts[0]))
        case "none":
            return Plan(everything, none)
    raise ValueError(f"balance: got {name!r}; allowed: augment, sampler, pos_weight, undersample, none")
