"""What a search may choose from, written in Hydra's override grammar: choice(…), range(…), interval(…), tag(log, …)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from artclf.errors import ArtclfError

if TYPE_CHECKING:
    import optuna

DIGITS = 4  # of a figure that is drawn: what ran is what a command line repeats
YARDSTICK = {  # keys that change by what trials are judged, or on what: and why no search may choose them
    "data": "trials on other pictures can't be compared",
    "monitor": "trials judged by another figure can't be compared",
    "pruning": "sweep=optuna fills it in",
    "seed": "the best of several seeds is luck, not a setting; repeat the best settings with -m seed=0,1,2",
    "sweep": "one search at a time",
}
DATA_SETTINGS = ("data.image_size", "data.batch_size", "data.num_workers")  # the same pictures all the same
LOSS_SCALE = ("loss", "balance")  # pos_weight is part of the loss


@dataclass(frozen=True)
class Setting:
    """Something to be searched.

    Attributes:
        key: as it is typed: "head", "stages.head.optim.lr", "+finetune".
        text: what it may be, as it is typed.
        words: the values of a choice; empty for numbers.
        low: the lowest number, and `high` the highest, both included.
        log: whether numbers are drawn by their order of magnitude.
        whole: whether numbers are whole.
        step: between two numbers of a range; None where there is none between.
    """

    key: str
    text: str
    words: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    step: float | None = None

    @property
    def ends(self) -> list[str]:
        """The words to check before a search: each of a choice, the ends of numbers."""
        return list(self.words) or list(dict.fromkeys([self._word(self.low), self._word(self.high)]))

    def draw(self, trial: "optuna.Trial") -> str:
        """Let Optuna choose a value, and return it as a word of a command line."""
        if self.words:
            return str(trial.suggest_categorical(self.key, self.words))
        if self.whole:
            step = 1 if self.step is None else int(self.step)
            return self._word(trial.suggest_int(self.key, int(self.low), int(self.high), log=self.log, step=step))
        return self._word(trial.suggest_float(self.key, self.low, self.high, log=self.log, step=self.step))

    def _word(self, number: float) -> str:
        if self.whole:
            return str(int(number))
        return str(min(max(float(f"{number:.{DIGITS}g}"), self.low), self.high))


def setting(override: Override) -> Setting:
    """Read a sweep as it was typed.

    Raises:
        ArtclfError: where it is empty, upside down, or tagged with what is not known.
    """
    key, value, text = override.get_key_element(), override.value(), override.get_value_string()
    tags = set(getattr(value, "tags", ()))
    if unknown := tags - {"log"}:
        raise ArtclfError(f"{key}={text}: got the tag {', '.join(sorted(unknown))}; allowed: log")
    if isinstance(value, IntervalSweep):
        assert value.start is not None and value.end is not None  # noqa: PT018 (the grammar demands both)
        whole = isinstance(value.start, int) and isinstance(value.end, int)
        found = Setting(key, text, low=value.start, high=value.end, log="log" in tags, whole=whole)
    elif isinstance(value, RangeSweep):
        count, numbers = count_values(override), (value.start, value.stop, value.step)
        if not count:
            raise ArtclfError(f"{key}={text}: holds no number; range(START, STOP, STEP) stops before STOP")
        first, _, step = (Fraction(number or 0) for number in numbers)
        low, high = sorted((float(first), float(first + (count - 1) * step)))
        whole = all(isinstance(number, int) for number in numbers)
        found = Setting(key, text, low=low, high=high, log="log" in tags, whole=whole, step=abs(value.step))
    else:
        return Setting(key, text, words=tuple(dict.fromkeys(override.sweep_string_iterator())))
    if found.low > found.high:
        raise ArtclfError(f"{key}={text}: the lowest comes first: interval({found.high:g}, {found.low:g})")
    if found.log and found.low <= 0:
        raise ArtclfError(f"{key}={text}: got {found.low:g} as the lowest; allowed with log: more than 0")
    if found.log and found.step not in (None, 1):
        raise ArtclfError(f"{key}={text}: a range by order of magnitude has no step; type tag(log, interval(…)) instead")
    return found


def count_values(override: Override) -> int:
    """How many values a sweep holds, without making those of a range.

    Raises:
        ArtclfError: where a range has no step.
    """
    value = override.value()
    if not isinstance(value, RangeSweep):
        return sum(1 for _ in override.sweep_string_iterator())
    start, stop, step = (Fraction(number or 0) for number in (value.start, value.stop, value.step))
    if not step:
        raise ArtclfError(f"{override.input_line}: got a step of 0; allowed: any other number")
    return max(0, math.ceil((stop - start) / step))


def search_space(params: Mapping[str, str], typed: Sequence[Override]) -> tuple[list[Override], list[Override]]:
    """Lay what was typed over the search space of the configuration.

    Args:
        params: the configuration's: key → what it may be.
        typed: the overrides of the command line. Sweeps extend or replace the space, a plain value settles its key.

    Returns:
        What is searched, and what is the same for all trials.

    Raises:
        ArtclfError: where the configuration's space can't be read.
    """
    settled = {override.key_or_group for override in typed}
    lines = [f"{key}={text}" for key, text in params.items() if key.lstrip("+") not in settled]
    try:
        configured = [OverridesParser.create().parse_override(line) for line in lines]
    except HydraException as error:
        raise ArtclfError(f"hydra.sweeper.params: {str(error).splitlines()[0]}") from error
    both = [*configured, *typed]
    return [o for o in both if o.is_sweep_override()], [o for o in both if not o.is_sweep_override()]


def space_mistakes(searched: Sequence[Override], metric: str) -> list[str]:
    """Return a line for everything that a search can't choose.

    Args:
        searched: from `search_space`.
        metric: by what trials are judged ("val/loss").
    """
    lines = [] if searched else ["sweep=optuna: there is nothing to search; type for instance head=mlp,linear"]
    for override in searched:
        key = override.key_or_group
        top = key.split(".")[0].split("@")[0]
        if top in YARDSTICK and key not in DATA_SETTINGS:
            lines.append(f"{key}: can't be searched: {YARDSTICK[top]}")
        elif top in LOSS_SCALE and metric == "val/loss":
            lines.append(
                f"{key}: can't be searched by val/loss, whose scale it changes; add monitor.metric=val/auroc monitor.mode=max"
            )
    return lines
