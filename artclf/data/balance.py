"""What is done about unequal classes: a function of the labels and a seed."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Plan:
    """The items of a training epoch, [N] each."""

    rows: npt.NDArray[np.int64]  # each item's image, a position in the training split
    copies: npt.NDArray[np.int64]  # 0 for the image itself, 1, 2, … for its augmented copies
    weights: npt.NDArray[np.float64] | None = None  # relative frequency of each item; None where each is drawn once an epoch
    pos_weight: float | None = None  # factor of the loss of AI images


def plan_balance(targets: npt.NDArray[np.int64], name: str, seed: int) -> Plan:
    """Decide which items an epoch has.

    Args:
        targets: [N], 0 = AI, 1 = human, as in the manifest; both occur.
        name: augment, sampler, pos_weight, undersample or none, as in conf/balance.
        seed: of the random choice of images that are copied or left out.
    """
    everything = np.arange(len(targets))
    counts = np.bincount(targets, minlength=2)
    rng = np.random.default_rng([seed, 0xBA1A])
    originals = Plan(everything, np.zeros_like(everything))
    match name:
        case "augment":
            order = rng.permutation(np.flatnonzero(targets == np.argmin(counts)))
            number = np.arange(counts.max() - counts.min())  # round after round, so that numbers of copies differ by one
            rows = np.concatenate([everything, order[number % len(order)]])
            return Plan(rows, np.concatenate([originals.copies, number // len(order) + 1]))
        case "undersample":
            kept = [rng.permutation(np.flatnonzero(targets == label))[: counts.min()] for label in (0, 1)]
            rows = np.sort(np.concatenate(kept))
            return Plan(rows, np.zeros_like(rows))
        case "sampler":
            return replace(originals, weights=1.0 / counts[targets])
        case "pos_weight":
            return replace(originals, pos_weight=float(counts[1] / counts[0]))
        case "none":
            return originals
    raise ValueError(f"balance: got {name!r}; allowed: augment, sampler, pos_weight, undersample, none")
