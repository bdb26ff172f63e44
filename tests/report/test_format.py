import math

import pytest
from jinja2 import Undefined

from artclf.report import format as fmt


@pytest.mark.parametrize(
    "reader",
    [
        fmt.count,
        fmt.share,
        fmt.score,
        fmt.size,
        fmt.duration,
        fmt.points,
        fmt.p_value,
    ],
)
@pytest.mark.parametrize("value", [None, math.nan, Undefined()])
def test_what_is_not_known_is_a_dash(reader, value):
    assert reader(value) == "–"


@pytest.mark.parametrize(
    ("written", "number"),
    [
        (fmt.count(155015), "155,015"),
        (fmt.share(0.924), "92.4%"),
        (fmt.share(1.0), "100.0%"),
        (fmt.share(0.0), "0.0%"),
        (fmt.share(0.9996), "99.96%"),
        (fmt.share(0.0001), "0.01%"),
        (fmt.score(0.96178), "0.962"),
        (fmt.points(0.0412), "+4.1"),
        (fmt.points(-0.0412), "−4.1"),
        (fmt.points(0.0031), "+0.31"),
        (fmt.points(0.0031, signed=False), "0.31"),
        (fmt.points(0.00997), "+1.0"),
        (fmt.points(0.0), "0.0"),
        (fmt.points(-0.00001), "0.00"),
        (fmt.share_range([0.8312, 0.9403]), "83–94%"),
        (fmt.share_range([0.8512, 0.8603]), "85.1–86.0%"),
        (fmt.share_range([0.9991, 0.9998]), "99.91–99.98%"),
        (fmt.share_range(None), ""),
        (fmt.share_range([math.nan, math.nan]), ""),
        (fmt.score_range([0.9312, 1.0]), "0.93–1.00"),
        (fmt.score_range([0.9612, 0.9644]), "0.961–0.964"),
        (fmt.score_range(Undefined()), ""),
        (fmt.p_value(0.02148), "0.021"),
        (fmt.p_value(0.00099), "< 0.001"),
        (fmt.p_value(1.0), "1"),
        (fmt.size(2049), "2,049"),
        (fmt.size(70400), "70.4 k"),
        (fmt.size(23508032), "23.5 M"),
        (fmt.size(1_100_000_000), "1.10 B"),
        (fmt.duration(2.53), "2.5 s"),
        (fmt.duration(59.7), "1 min 0 s"),
        (fmt.duration(4233), "1 h 11 min"),
        (fmt.listed([]), "none"),
        (fmt.listed(["a"]), "a"),
        (fmt.listed(["a", "b", "c"]), "a, b and c"),
        (fmt.plural(1, "picture"), "1 picture"),
        (fmt.plural(30000, "picture"), "30,000 pictures"),
    ],
)
def test_numbers_as_a_person_reads_them(written, number):
    assert written == number


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ({"unfreeze": 0}, "head alone"),
        ({"unfreeze": 1}, "last layer"),
        ({"unfreeze": 10}, "last 10 layers"),
        ({"unfreeze": "10"}, "last 10 layers"),
        ({"unfreeze": "all"}, "all layers"),
        ({"unfreeze": "last_block", "layers": 32}, "last block"),
        ({"unfreeze": "auto", "layers": 0}, "head alone"),
        ({"unfreeze": "auto", "layers": 174}, "all layers"),
        ({"unfreeze": "auto"}, "auto"),
        ({}, "–"),
    ],
)
def test_what_a_stage_unfreezes(stage, said):
    assert fmt.unfrozen(stage) == said
