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


def multiply(plan: Plan, number: int) -> Plan:
    """Put `number` augmented copies in place of each item, so that all items of both classes are augmented alike."""
    copies = (plan.copies * number + np.arange(1, number + 1)[:, None]).ravel()
    weights = None if plan.weights is None else np.tile(plan.weights, number)
    return replace(plan, rows=np.tile(plan.rows, number), copies=copies, weights=weights)


def plan_balance(targets: npt.NDArray[np.int64], name: str, seed: int) -> Plan:
    """Decide which items an epoch has.

    Args:
        targets: [N], 1 = AI, 0 = human; both occur.
        name: augment, sampler, pos_weight, undersample or none, as in conf/balance.
        seed: of the random choice of images that are copied or left out.
    """
    counts = np.bincount(targets, minlength=2)
    smaller, larger = (np.flatnonzero(targets == label) for label in (np.argmin(counts), 1 - np.argmin(counts)))
    rng = np.random.default_rng([seed, 0xBA1A])
    originals = Plan(np.arange(len(targets)), np.zeros(len(targets), np.int64))
    match name:
        case "augment":
            number = np.arange(len(larger) - len(smaller))  # round after round, so that numbers of copies differ by one
            rows = np.concatenate([originals.rows, rng.permutation(smaller)[number % len(smaller)]])
            return Plan(rows, np.concatenate([originals.copies, number // len(smaller) + 1]))
        case "undersample":
            rows = np.sort(np.concatenate([smaller, rng.permutation(larger)[: len(smaller)]]))
            return Plan(rows, np.zeros(len(rows), np.int64))
        case "sampler":
            return replace(originals, weights=1.0 / counts[targets])
        case "pos_weight":
            return replace(originals, pos_weight=float(counts[0] / counts[1]))
        case _:
            return originals
