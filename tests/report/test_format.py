import math
from collections.abc import Callable
from typing import Any

import pytest
from jinja2 import Undefined

from artclf.report import format as fmt


@pytest.mark.parametrize(
    "write", [fmt.count, fmt.share, fmt.score, fmt.figure, fmt.size, fmt.duration, fmt.points, fmt.p_value]
)
@pytest.mark.parametrize("value", [None, math.nan, Undefined()])
def test_what_is_missing_is_a_dash(write: Callable[[Any], str], value: Any) -> None:
    assert write(value) == "–"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (fmt.count(155015), "155,015"),
        (fmt.share(0.924), "92.4%"),
        (fmt.share(0.9996), "99.96%"),
        (fmt.share(0.0001), "0.01%"),
        (fmt.score(0.96178), "0.962"),
        (fmt.figure(0.9, "auroc"), "0.900"),
        (fmt.figure(0.9, "recall"), "90.0%"),
        (fmt.interval([0.8312, 0.9403]), "83.1–94.0%"),
        (fmt.interval([0.9312, 1.0], "auroc"), "0.931–1.000"),
        (fmt.interval([math.nan, math.nan]), ""),
        (fmt.interval(Undefined()), ""),
        (fmt.points(0.0412), "+4.1"),
        (fmt.points(-0.0031), "−0.3"),
        (fmt.points(0.0031, signed=False), "0.3"),
        (fmt.p_value(0.02148), "0.021"),
        (fmt.p_value(0.00099), "< 0.001"),
        (fmt.size(2049), "2,049"),
        (fmt.size(23508032), "23.5 M"),
        (fmt.duration(2.53), "2.5 s"),
        (fmt.duration(59.7), "1 min 0 s"),
        (fmt.duration(4233), "1 h 10 min"),
        (fmt.plural(1, "image"), "1 image"),
        (fmt.plural(30000, "copy", "copies"), "30,000 copies"),
        (fmt.unfrozen({"unfreeze": 0}), "head alone"),
        (fmt.unfrozen({"unfreeze": "10"}), "last 10 layers"),
        (fmt.unfrozen({"unfreeze": "auto", "layers": 174}), "all layers"),
        (fmt.unfrozen({}), "–"),
    ],
)
def test_numbers_as_a_person_reads_them(written: str, expected: str) -> None:
    assert written == expected
