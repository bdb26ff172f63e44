"""Several runs from one command, and several devices for one run: what of these does not go together."""

from omegaconf import DictConfig


def several_mistakes(composed: DictConfig, *, multirun: bool, swept: bool) -> list[str]:
    """Return a line for each thing that does not go together.

    Args:
        composed: a composed configuration.
        multirun: whether it is a job of a multirun.
        swept: whether what is left out of training differs between its jobs.
    """
    one = {"strategy": "auto", "devices": 1, "num_nodes": 1}
    several = ", ".join(
        f"trainer.{key}={got}" for key, value in one.items() if (got := composed.trainer.get(key, value)) != value
    )
    lines = _holdout_mistakes(composed.get("holdout"), several, multirun=multirun, swept=swept)
    if multirun and several:
        lines.append(
            f"{several}: runs on several devices can't be swept, since every process would start the sweep again; "
            "type the runs one by one without -m, or sweep with one device for each run: trainer=gpu (docs/sweeps.md: several "
            "such runs at once)"
        )
    return lines


def _holdout_mistakes(holdout: object, several: str, *, multirun: bool, swept: bool) -> list[str]:
    """Runs for each generator or style left out are no multirun, and have one device; one such run is like any other."""
    if not isinstance(holdout, DictConfig) or "by" not in holdout:
        return []
    word = f"+holdout={holdout.by}"
    if holdout.get("leave") is not None:
        line = "holdout can't be swept: runs are compared on the same pictures; without -m and holdout.leave each is left out"
        return [f"{line} in turn"] if swept else []
    if multirun:
        return [
            f"{word} trains a run for each {holdout.by} by itself, and leaves a page of its own: leave -m out, or sweep with "
            f"one {holdout.by} left out in all runs: holdout.leave=NAME"
        ]
    if several:
        return [
            f"{word} with {several}: every process would start all runs again; type them one by one with holdout.leave=NAME, "
            "or with one device: trainer=gpu"
        ]
    return []
