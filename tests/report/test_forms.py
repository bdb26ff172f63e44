import numpy as np
import pytest

from artclf.evaluation.robustness import compare_forms
from artclf.report.forms import forms_section

IS_AI = np.arange(200) < 100
GOOD = np.where(IS_AI, np.linspace(0.4, 0.95, 200), np.linspace(0.6, 0.05, 200))


def section(stored: np.ndarray, formed: np.ndarray, trained_on: str = "as_stored"):
    figures = compare_forms(IS_AI, stored, formed)
    return forms_section({"forms": {"trained_on": trained_on, "form": {"side": 168, "quality": 75}, **figures}})


def test_nothing_is_said_where_nothing_was_compared() -> None:
    assert forms_section({}) is None
    assert forms_section({"forms": None}) is None


@pytest.mark.parametrize(
    ("stored", "formed", "trained_on", "said"),
    [
        (GOOD, GOOD, "as_stored", "no more than chance explains"),
        (GOOD, GOOD[::-1], "as_stored", "it judges better in the form that it knows"),
        (GOOD[::-1], GOOD, "canonical", "it judges better in the form that it knows"),
        (GOOD[::-1], GOOD, "as_stored", "it judges better in the form that it was not trained on"),
    ],
)
def test_what_the_other_form_costs(stored, formed, trained_on, said) -> None:
    first, lost, flips, *_ = section(stored, formed, trained_on)["sentences"]
    assert f"trained on {'canonical pictures' if trained_on == 'canonical' else 'pictures as they are stored'}" in first
    assert "200 test pictures twice" in first
    assert said in lost
    assert flips.startswith("Verdicts that turn")


def test_a_threshold_that_does_not_carry_over_is_told() -> None:
    turned = section(GOOD, np.where(IS_AI, GOOD, GOOD + 0.3))["sentences"]
    assert "More human works are called AI in canonical form than chance explains" in turned[3]
    assert len(section(GOOD, GOOD)["sentences"]) == 3


def test_rows_hold_both_forms() -> None:
    rows = section(GOOD, GOOD[::-1])["rows"]
    assert [row["name"] for row in rows] == ["AUROC", "balanced accuracy", "human works called AI", "AI works found"]
    assert all(len(row["cells"]) == 2 and row["cells"][0] != row["cells"][1] for row in rows)
