"""Numbers and settings as a person reads them."""

import math
from collections.abc import Mapping
from typing import Any

from jinja2 import Undefined

NOT_RECORDED = "–"


def missing(value: Any) -> bool:
    """Whether a figure was not recorded, or is undefined (null or NaN)."""
    return value is None or isinstance(value, Undefined) or (isinstance(value, float) and math.isnan(value))


def count(number: Any) -> str:
    """155015 → "155,015"."""
    return NOT_RECORDED if missing(number) else f"{int(number):,}"


def share(fraction: Any) -> str:
    """0.924 → "92.4%"; a second decimal where one would round to 0 or 100 what is neither."""
    if missing(fraction):
        return NOT_RECORDED
    extreme = 0.0 < fraction < 0.0005 or 0.9995 <= fraction < 1.0
    return f"{fraction:.2%}" if extreme else f"{fraction:.1%}"


def score(value: Any) -> str:
    """0.96178 → "0.962"."""
    return NOT_RECORDED if missing(value) else f"{value:.3f}"


def points(difference: Any, *, signed: bool = True) -> str:
    """A difference of shares in percentage points: 0.0412 → "+4.1", -0.0031 → "−0.31"."""
    if missing(difference):
        return NOT_RECORDED
    digits = 2 if 0 < abs(difference) < 0.00995 else 1
    text = f"{abs(difference) * 100:.{digits}f}"
    if not text.strip("0."):  # zero has no sign
        return text
    return f"−{text}" if difference < 0 else f"+{text}" if signed else text


def p_value(p: Any) -> str:
    """0.0214 → "0.021"; what is below 0.001 is only said to be."""
    if missing(p):
        return NOT_RECORDED
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.9995 else "1"


def share_range(bounds: Any) -> str:
    """[0.8312, 0.9403] → "83–94%"; the narrower, the more decimals; "" where there is none."""
    if missing(bounds) or any(missing(bound) for bound in bounds):
        return ""
    low, high = bounds
    digits = 0 if high - low >= 0.05 else 1 if high - low >= 0.005 else 2
    return f"{100 * low:.{digits}f}–{100 * high:.{digits}f}%"


def score_range(bounds: Any) -> str:
    """[0.9312, 0.9803] → "0.93–0.98"; the narrower, the more decimals; "" where there is none."""
    if missing(bounds) or any(missing(bound) for bound in bounds):
        return ""
    low, high = bounds
    digits = 2 if high - low >= 0.02 else 3
    return f"{low:.{digits}f}–{high:.{digits}f}"


def size(number: Any) -> str:
    """23508032 → "23.5 M"; 4098 → "4,098"."""
    if missing(number):
        return NOT_RECORDED
    if number >= 1e9:
        return f"{number / 1e9:.2f} B"
    if number >= 1e6:
        return f"{number / 1e6:.3g} M"
    return f"{number / 1e3:.3g} k" if number >= 1e4 else f"{int(number):,}"


def duration(seconds: Any) -> str:
    """4233 → "1 h 11 min"; 75 → "1 min 15 s"; 2.53 → "2.5 s"."""
    if missing(seconds):
        return NOT_RECORDED
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60} min"


def unfrozen(stage: Mapping[str, Any]) -> str:
    """What a stage trains besides the head: unfreeze 0 → "head alone"; 10 → "last 10 layers".

    Args:
        stage: its record, with ``unfreeze`` as configured and ``layers``, how many that turned out to be.
    """
    unfreeze = stage.get("unfreeze")
    if unfreeze == "auto" and not missing(stage.get("layers")):
        unfreeze = "all" if stage["layers"] else 0
    if missing(unfreeze):
        return NOT_RECORDED
    named = {"all": "all layers", "last_block": "last block", "0": "head alone", "1": "last layer"}
    text = str(unfreeze)
    return named.get(text, f"last {int(text):,} layers" if text.isdigit() else text)


def listed(names: list[str]) -> str:
    """["a", "b", "c"] → "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"


def plural(number: int, one: str, many: str | None = None) -> str:
    """(1, "picture") → "1 picture"; (3, "picture") → "3 pictures"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
