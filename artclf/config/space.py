"""What a search may choose from, written in Hydra's override grammar: choice(…), range(…), interval(…), tag(log, …)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from artclf.errors import ArtclfError

if TYPE_CHECKING:
    import optuna

MOST_NUMBERS = 10_000  # of a range
DIGITS = 4  # of a number that is drawn: what ran is what a command line repeats
NOT_SEARCHED = {  # keys that decide how or on what trials are compared, and why no search may choose them
    "data": "trials on different images can't be compared",
    "monitor": "trials with different metrics can't be compared",
    "pruning": "sweep=optuna fills it in",
    "seed": "the best of several seeds is luck, not a setting; repeat the best settings with -m seed=0,1,2",
    "sweep": "one search at a time",
}
DATA_SETTINGS = ("data.image_size", "data.batch_size", "data.num_workers")  # which leave the images the same
LOSS_SCALE = ("loss", "balance")  # pos_weight is part of the loss


@dataclass(frozen=True)
class Setting:
    """Something to be searched: `words` of a choice, or numbers from `low` to `high`, both included."""

    key: str  # as it is typed: "head", "stages.head.optim.lr", "+finetune"
    text: str  # what it may be, as it is typed
    words: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False  # whether numbers are drawn on a logarithmic scale
    whole: bool = False
    step: float | None = None  # between two numbers of a range

    @property
    def ends(self) -> list[str]:
        """The words to check before a search: each of a choice, the ends of numbers."""
        return list(self.words) or list(dict.fromkeys([self._word(self.low), self._word(self.high)]))

    def draw(self, trial: "optuna.Trial") -> str:
        """Let Optuna choose a value, and return it as a word of a command line."""
        if self.words:
            return str(trial.suggest_categorical(self.key, self.words))
        if self.whole:
            step = int(self.step or 1)
            return self._word(trial.suggest_int(self.key, int(self.low), int(self.high), log=self.log, step=step))
        return self._word(trial.suggest_float(self.key, self.low, self.high, log=self.log, step=self.step))

    def _word(self, number: float) -> str:
        return str(int(number)) if self.whole else str(min(max(float(f"{number:.{DIGITS}g}"), self.low), self.high))


def setting(override: Override) -> Setting:
    """Read a sweep as it was typed. ArtclfError where it is empty, has reversed bounds, or has an unknown tag."""
    key, value, text = override.get_key_element(), override.value(), override.get_value_string()
    tags = set(getattr(value, "tags", ()))
    log, step = "log" in tags, None
    if unknown := tags - {"log"}:
        raise ArtclfError(f"{key}={text}: got the tag {', '.join(sorted(unknown))}; allowed: log")
    if isinstance(value, IntervalSweep):
        low, high = float(value.start or 0), float(value.end or 0)
        whole = all(isinstance(number, int) for number in (value.start, value.end))
    elif isinstance(value, RangeSweep):
        numbers = list(islice(value.range(), MOST_NUMBERS + 1)) if value.step else []
        if not 0 < len(numbers) <= MOST_NUMBERS:
            raise ArtclfError(f"{key}={text}: range(START, STOP, STEP) holds no number, or more than {MOST_NUMBERS:,}")
        low, high = float(min(numbers)), float(max(numbers))
        whole = all(isinstance(number, int) for number in (value.start, value.stop, value.step))
        step = abs(value.step)
    else:
        return Setting(key, text, words=tuple(dict.fromkeys(override.sweep_string_iterator())))
    if low > high:
        raise ArtclfError(f"{key}={text}: the lowest comes first: interval({high:g}, {low:g})")
    if log and low <= 0:
        raise ArtclfError(f"{key}={text}: got {low:g} as the lowest; allowed with log: more than 0")
    if log and step not in (None, 1):
        raise ArtclfError(f"{key}={text}: a logarithmic range has no step; type tag(log, interval(…)) instead")
    return Setting(key, text, low=low, high=high, log=log, whole=whole, step=step)


def search_space(params: Mapping[str, str], typed: Sequence[Override]) -> tuple[list[Override], list[Override]]:
    """Return what is searched, and what is the same for all trials.

    `params` is the search space of the configuration: key → what it may be. Sweeps that are typed extend or replace it, a plain
    value settles its key. ArtclfError where it can't be read.
    """
    settled = {override.key_or_group for override in typed}
    lines = [f"{key}={text}" for key, text in params.items() if key.lstrip("+") not in settled]
    try:
        both = [*OverridesParser.create().parse_overrides(lines), *typed]
    except HydraException as error:
        raise ArtclfError(f"hydra.sweeper.params: {str(error).splitlines()[0]}") from error
    return [o for o in both if o.is_sweep_override()], [o for o in both if not o.is_sweep_override()]


def space_mistakes(searched: Sequence[Override], metric: str) -> list[str]:
    """Return a line for everything that a search by this metric ("val/loss") can't choose."""
    lines = [] if searched else ["sweep=optuna: there is nothing to search; type for instance head=mlp,linear"]
    for key in (override.key_or_group for override in searched):
        top = key.split(".")[0].split("@")[0]
        if top in NOT_SEARCHED and key not in DATA_SETTINGS:
            lines.append(f"{key}: can't be searched: {NOT_SEARCHED[top]}")
        elif top in LOSS_SCALE and metric == "val/loss":
            advice = "add monitor.metric=val/auroc monitor.mode=max"
            lines.append(f"{key}: can't be searched by val/loss, whose scale it changes; {advice}")
    return lines
