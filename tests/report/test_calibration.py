import numpy as np
import pandas as pd
import pytest

from artclf.evaluation.calibration import ece
from artclf.evaluation.conformal import decision_metrics, fit_to_validation
from artclf.evaluation.decision import with_verdicts
from artclf.report.calibration import calibration_section, plot_reliability
from artclf.report.render import render


@pytest.fixture
def judged(make_predictions):
    table = make_predictions()
    judge = fit_to_validation(table, false_positive_rate=0.05)
    table = with_verdicts(table, judge)
    return table, decision_metrics(table, judge)


def texts(figure) -> str:
    return "\n".join([axes.get_title(loc="left") for axes in figure.axes])


def test_before_and_after_are_drawn_with_their_errors(judged):
    table, _ = judged
    test = table[table["split"] == "test"]
    figure = plot_reliability(test)
    is_ai = (test["label"] == "ai").to_numpy()
    shown = texts(figure)
    for name in ("p_ai", "calibrated"):
        assert f"off by {100 * ece(is_ai, test[name].to_numpy()):.1f} points" in shown
    before, after, scores, _ = figure.axes
    points = [line for line in before.lines if line.get_marker() == "o"]
    assert len(points) == 10  # 118 works
    assert sum(bar.get_height() for bar in scores.patches) == 118
    assert len(after.lines) == len(before.lines)


def test_one_class_alone_and_no_works_are_drawn_too(judged):
    table, _ = judged
    plot_reliability(table[table["split"] == "unseen"])
    assert len(plot_reliability(table[:0]).axes) == 1


def page(parts: dict) -> str:
    source = "{% macro figure(name) %}[{{ name }}]{% endmacro %}{% include 'section_calibration.html' %}"
    from artclf.report.render import _environment

    return " ".join(_environment().from_string(source).render(calibration=calibration_section(parts)).split())


def test_the_section_tells_verdicts_calibration_and_operating_points(judged):
    _, parts = judged
    html = page(parts)
    judge = parts["judge"]
    assert f"from a p_ai of {judge['ai_from']:.3f} on" in html
    assert "30 human and 30 AI works" in html
    assert "at most 3.2% are expected to be called AI (asked: 5.0%" in html
    assert "[reliability]" in html
    assert "Temperature scaling: all logits divided by one number (0." in html
    assert "too few human works in validation: 30 of the 999 that this needs" in html
    recall = parts["operating_points"][2]["splits"]["test"]["recall"]
    assert f'{recall["value"]:.1%} <span class="quiet">({recall["low"]:.1%} to {recall["high"]:.1%})' in html
    for name in ("test", "unseen", "val"):
        assert f"{parts['calibration']['splits'][name]['after']['log_loss']:.3f}" in html
    assert "where AI works are as frequent as there (50.0%)" in html
    assert "val fitted the calibration" in html
    elsewhere = {**parts, "judge": {**parts["judge"], "fitted_on": "pictures of one's own"}}
    assert "val fitted the calibration" not in page(elsewhere)


def test_without_human_works_nothing_is_promised(make_predictions):
    table = make_predictions().query("split != 'val'")
    judge = fit_to_validation(table)
    html = page(decision_metrics(with_verdicts(table, judge), judge))
    assert "Validation has no thresholds: nothing is promised" in html
    assert "that one can bear" not in html


def test_a_run_of_before_there_was_a_judge_has_no_section():
    assert calibration_section({"test": {"n": 3}}) is None
    assert "Verdicts and calibration" not in render("page.html", metrics={}, figures={}, counts={}, confusions=[], splits=[])


def test_how_sure_the_network_was_is_said(judged):
    table, _ = judged
    for sharper, said in ((0.2, "less sure than it could have been"), (6.0, "too sure of itself")):
        logit = np.log(table["p_ai"] / (1 - table["p_ai"])) * sharper + np.random.default_rng(0).normal(
            0, 3 * sharper, len(table)
        )
        bent = pd.DataFrame({**table, "p_ai": 1 / (1 + np.exp(-logit))})
        judge = fit_to_validation(bent, method="temperature")
        section = calibration_section(decision_metrics(with_verdicts(bent, judge), judge))
        assert section is not None
        assert said in section["how"]
