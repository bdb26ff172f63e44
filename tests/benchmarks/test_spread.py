import pytest

from benchmarks.spread import Spread, interleaved, noise, number, ratios, wilson


def test_a_spread_is_the_median_between_the_lowest_and_the_highest() -> None:
    assert Spread.of([3.0, 1.0, 2.5]) == Spread(2.5, 1.0, 3.0, 3)
    assert Spread.of([4.0, 2.0]).median == 3.0
    assert Spread.of([3.0, 1.0, 2.5]).text(" s") == "2.50 s (1.00–3.00)"
    assert Spread.of([12.34]).text("×") == "12.3×"


@pytest.mark.parametrize(
    ("value", "text"), [(0.953, "0.95"), (9.999, "10.00"), (48.07, "48.1"), (1234.5, "1,234"), (-0.5, "-0.50")]
)
def test_a_number_has_the_digits_that_a_reader_can_use(value: float, text: str) -> None:
    assert number(value) == text


def test_ratios_are_taken_within_each_pair() -> None:
    # both sides were slow in the second round: the ratio does not see it
    assert ratios([10.0, 30.0, 11.0], [5.0, 15.0, 5.5]) == Spread(2.0, 2.0, 2.0, 3)
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


def test_sides_take_turns_at_being_first() -> None:
    called: list[str] = []

    def side(name: str, turn: int) -> str:
        called.append(f"{name}{turn}")
        return called[-1]

    found = interleaved(3, a=lambda turn: side("a", turn), b=lambda turn: side("b", turn))
    assert called == ["a0", "b0", "b1", "a1", "a2", "b2"]
    assert found == {"a": ["a0", "a1", "a2"], "b": ["b0", "b1", "b2"]}


def test_wilsons_interval() -> None:
    assert wilson(0.5, 100) == pytest.approx((0.4038315, 0.5961685), abs=1e-6)
    assert wilson(1.0, 118) == pytest.approx((118 / (118 + 1.959964**2), 1.0))  # all are right: n / (n + z²)
    assert wilson(0.0, 118)[0] == 0.0


def test_two_shares_may_differ_by_chance() -> None:
    assert noise(0.8, 0.8, 118) == pytest.approx(1.96 * (2 * 0.8 * 0.2 / 118) ** 0.5, rel=1e-4)
    assert noise(0.8, 0.8, 11_800) == pytest.approx(noise(0.8, 0.8, 118) / 10)
