"""Numbers and settings as text. The templates use these functions as filters; what was not recorded is a dash."""

import math
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from jinja2 import Undefined

from artclf.errors import printable

_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>#|~$&]|(?<=:)/|(?<=www)\.")  # what would be markup, and what makes a text a link


def missing(value: Any) -> bool:
    """Whether a figure was not recorded, or is undefined (null or NaN)."""
    return value is None or isinstance(value, Undefined) or (isinstance(value, float) and math.isnan(value))


def _or_dash(write: Callable[..., str]) -> Callable[..., str]:
    @wraps(write)
    def written(value: Any, *options: Any, **named: Any) -> str:
        return "–" if missing(value) else write(value, *options, **named)

    return written


@_or_dash
def count(number: Any) -> str:
    """155015 → "155,015"."""
    return f"{int(number):,}"


@_or_dash
def share(fraction: Any) -> str:
    """0.924 → "92.4%"; a second decimal where one would round to 0 or 100 what is neither."""
    extreme = 0.0 < fraction < 0.0005 or 0.9995 <= fraction < 1.0
    return f"{fraction:.2%}" if extreme else f"{fraction:.1%}"


@_or_dash
def score(value: Any) -> str:
    """0.96178 → "0.962"."""
    return f"{value:.3f}"


def figure(value: Any, name: str = "") -> str:
    """An AUROC (`name` "auroc") as a score, every other figure as a share."""
    return score(value) if name == "auroc" else share(value)


def interval(bounds: Any, name: str = "") -> str:
    """The bounds of a `figure`: [0.8312, 0.9403] → "83.1–94.0%"; "" where there are none."""
    if missing(bounds) or not bounds or any(map(missing, bounds)):
        return ""
    low, high = (figure(bound, name) for bound in bounds)
    return f"{low.removesuffix('%')}–{high}"


@_or_dash
def points(difference: Any, *, signed: bool = True) -> str:
    """A difference of shares in percentage points: 0.0412 → "+4.1", -0.0031 → "−0.3"."""
    text = f"{100 * difference:+.1f}".replace("-", "−")
    return text if signed else text[1:]


@_or_dash
def difference(value: Any) -> str:
    """A difference of scores: -0.2314 → "−0.231"."""
    return f"{value:+.3f}".replace("-", "−")


@_or_dash
def p_value(p: Any) -> str:
    """0.0214 → "0.021"; smaller ones are "< 0.001"."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


@_or_dash
def size(number: Any) -> str:
    """23508032 → "23.5 M"; 4098 → "4,098"."""
    return f"{number / 1e6:.3g} M" if number >= 1e6 else f"{int(number):,}"


@_or_dash
def duration(seconds: Any) -> str:
    """4233 → "1 h 10 min"; 75 → "1 min 15 s"; 2.53 → "2.5 s"."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60:,} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def unfrozen(stage: Mapping[str, Any]) -> str:
    """What a stage's record says that it trains besides the head: unfreeze 0 → "head alone"; 10 → "last 10 layers"."""
    setting = stage.get("unfreeze")
    if setting == "auto" and stage.get("layers") is not None:
        setting = "all" if stage["layers"] else 0
    names = {"None": "–", "all": "all layers", "last_block": "last block", "0": "head alone", "1": "last layer"}
    text = str(setting)
    return names.get(text, f"last {text} layers" if text.isdigit() else text)


def plural(number: int, one: str, many: str | None = None) -> str:
    """(1, "image") → "1 image"; (3, "image") → "3 images"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def markdown(text: object) -> str:
    """A text that Markdown shows as it stands, on one line: each sign that would be markup has a backslash before it."""
    return _MARKDOWN.sub(r"\\\g<0>", printable(str(text)))
