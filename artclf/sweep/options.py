"""The options of a search, which Hydra reads before anything heavy is loaded."""

from dataclasses import dataclass

from artclf.errors import ArtclfError

CHOICES = {"sampler": ("tpe", "random"), "pruner": ("median", "none")}
LOWEST = {"n_trials": 1, "n_jobs": 1, "pruner_startup_trials": 1}  # 0 for the others


@dataclass
class Options:
    """How to search: the keys of hydra.sweeper, which conf/sweep/optuna.yaml gives and describes."""

    n_trials: int
    n_jobs: int
    seed: int
    sampler: str
    startup_trials: int
    pruner: str
    pruner_startup_trials: int
    pruner_warmup_epochs: int

    def check(self) -> None:
        """Raise an ArtclfError with a line for each value that is not allowed."""
        lines = []
        for key, value in vars(self).items():
            if key in CHOICES and value not in CHOICES[key]:
                lines.append(f"hydra.sweeper.{key}: got {value!r}; allowed: {', '.join(CHOICES[key])}")
            elif key not in CHOICES and value < LOWEST.get(key, 0):
                lines.append(f"hydra.sweeper.{key}: got {value}; allowed: a whole number from {LOWEST.get(key, 0)} on")
        if lines:
            raise ArtclfError("\n".join(lines))
