"""What came out of a search: its trials, and the best of them."""

from dataclasses import dataclass, field
from typing import Literal

METRICS = {"val/loss": "validation loss", "val/accuracy": "validation accuracy", "val/auroc": "validation AUROC"}


@dataclass(frozen=True)
class Outcome:
    """What became of a trial.

    Attributes:
        state: how it ended.
        value: the monitored figure of the best weights; of the last epoch where it was pruned, None where it failed.
        epochs: how many it trained.
        seconds: how long the run took; None where it is not known.
        reason: why it was stopped, or failed.
        test: figures of the test split, by which nothing is chosen.
        ended: whether the run itself said how it ended.
    """

    state: Literal["finished", "pruned", "failed"]
    value: float | None
    epochs: int
    seconds: float | None
    reason: str = ""
    test: dict[str, float | None] = field(default_factory=dict)
    ended: bool = True


@dataclass(frozen=True, kw_only=True)
class Trial(Outcome):
    """One trial of a search.

    Attributes:
        number: from 0 on; its run is in the subfolder of that name.
        words: what was drawn for each setting that was searched, as it is typed.
    """

    number: int
    words: dict[str, str]


@dataclass(frozen=True)
class Sweep:
    """A search, so far.

    Attributes:
        metric: the monitored figure ("val/loss"), and `mode`, whether "min" or "max" of it is best.
        mode: see metric.
        trials: all of them, in order.
        space: what was searched: key → what it may be, as it is typed.
        numbers: of those that are numbers: the lowest, the highest, and whether they were drawn by their order of magnitude.
        choices: the values of the others, as typed.
        settled: words that are the same for all trials.
        best: the finished trial with the best figure, if there is one.
        command: what runs its settings again, ready to paste.
        importance: key → share of the differences that it explains, the largest first; empty where that can't be told.
        importance_missing: why it can't.
        asked: how many trials there were to be.
        seconds: how long this search took, since it was begun or gone on with.
    """

    metric: str
    mode: Literal["min", "max"]
    trials: list[Trial]
    space: dict[str, str]
    numbers: dict[str, tuple[float, float, bool]]
    choices: dict[str, tuple[str, ...]]
    settled: list[str]
    best: Trial | None
    command: str | None
    importance: dict[str, float]
    importance_missing: str
    asked: int
    seconds: float

    @property
    def name(self) -> str:
        """The monitored figure as a person reads it."""
        return METRICS.get(self.metric, self.metric)

    def count(self, state: str) -> int:
        """How many trials ended so."""
        return sum(trial.state == state for trial in self.trials)
