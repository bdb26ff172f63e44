"""The options of a search, which Hydra reads before anything heavy is loaded."""

from dataclasses import dataclass

from artclf.errors import ArtclfError


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
        """Refuse values that are not allowed.

        Raises:
            ArtclfError: with a line for each of them.
        """
        lowest = {"n_trials": 1, "n_jobs": 1, "pruner_startup_trials": 1}
        allowed = {"sampler": ("tpe", "random"), "pruner": ("median", "none")}
        lines = []
        for key, value in vars(self).items():
            if key in allowed and value not in allowed[key]:
                lines.append(f"hydra.sweeper.{key}: got {value!r}; allowed: {', '.join(allowed[key])}")
            elif key not in allowed and value < lowest.get(key, 0):
                lines.append(f"hydra.sweeper.{key}: got {value}; allowed: a whole number from {lowest.get(key, 0)} on")
        if lines:
            raise ArtclfError("\n".join(lines))
