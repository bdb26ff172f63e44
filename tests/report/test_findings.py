"""What a page and the terminal say first."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from artclf.report.findings import broken_guarantees, findings, guessing, measured, runs_with_broken_guarantees, thresholds
from artclf.report.run_page import write_report
from tests.report.conftest import predictions, write_run
from tests.report.test_run_page import Page


def of_test(human: int, ai: int) -> pd.DataFrame:
    """So many made-up test images of each class, and those of val."""
    table = predictions()
    test = table[table["split"] == "test"]
    parts = [test[test["label"] == label].head(n) for label, n in (("human", human), ("ai", ai))]
    return pd.concat([*parts, table[table["split"] == "val"]])


@pytest.mark.parametrize(
    ("human", "ai", "said"),
    [
        (40, 0, "There are no AI images here"),
        (0, 70, "There are no human images here"),
        (3, 70, "With so few human images, an accuracy would say little of them"),
        (40, 2, "With so few AI images"),
    ],
)
@pytest.mark.usefixtures("no_figures")
def test_a_class_that_is_absent_or_rare_is_no_part_of_an_accuracy(human: int, ai: int, said: str, tmp_path: Path) -> None:
    run = write_run(tmp_path, predicted=of_test(human, ai))
    metrics = json.loads((run / "metrics.json").read_text())
    (sentence,) = measured(metrics).values()
    assert said in sentence
    counts, rates = metrics["decision_rule"]["verdicts"]["test"], metrics["decision_rule"]["rates"]["test"]
    if human:
        accused = f"of {human} human images {counts['human']['ai']} ({rates['human']['ai']['rate']:.1%}, 95% interval "
        assert accused in sentence
    page = Page(write_report(run)).text
    assert sentence in page
    assert "are classified right" not in page
    assert ("both classes count alike" in page) is bool(human and ai)
    assert metrics["splits"]["test"]["accuracy"] is None or (human and ai)


ROW: dict[str, Any] = {
    **{"split": "test", "error": "human called ai", "n": 120, "mistakes": 30, "observed": 0.25, "low": 0.18, "high": 0.34},
    **{"guaranteed": 0.022, "target": 0.01, "possible": 0.08, "broken": True},
}


@pytest.mark.usefixtures("no_figures")
def test_a_broken_guarantee_opens_the_page(tmp_path: Path) -> None:
    kept = {**ROW, "broken": False, "error": "ai called human"}
    run = write_run(tmp_path, guarantees=[ROW, kept])
    metrics = json.loads((run / "metrics.json").read_text())
    assert [row[5].partition(", ")[2] for row in thresholds(metrics) if row[4] == "test"] == ["broken", ""]
    (line,) = broken_guarantees(metrics)
    assert line.startswith(
        "Guarantee broken on test: 30 of 120 human images (25.0%, 95% interval 18.0–34.0%) got the verdict ai, and at most "
        "2.2% are guaranteed for images like those of validation."
    )
    page = Page(write_report(run))
    assert page.text.index(line) < page.text.index("was trained on")
    assert "guarantees" in page.ids
    (line,) = broken_guarantees({"guarantees": [{**ROW, "possible": 0.2}], "decision_rule": {"n_human": 9}})
    assert line.startswith("Guaranteed rate exceeded on test: 30 of 120 human images")
    assert (
        "That may be chance: a threshold set on 9 images leaves the rate of images like those uncertain, up to 20.0%." in line
    )
    several = runs_with_broken_guarantees({"run a": {"guarantees": [ROW]}, "run b": {"guarantees": [kept]}, "run c": {}})
    assert [line.split(";")[0] for line in several] == ["Guaranteed rate exceeded: run a"]


@pytest.mark.usefixtures("no_figures")
def test_a_stage_that_was_thrown_away_is_named_with_both_scores(tmp_path: Path) -> None:
    stages = [{"name": "head", "seconds": 60.0, "score": 0.398}, {"name": "all", "seconds": 1020.0, "score": 0.412}]
    best = {"stage": "head", "epoch": 4, "val/loss": 0.398}
    (line,) = findings({"stages": stages, "best": best})
    assert line == (
        "Stage all took 17 min 0 s and was thrown away: it scored val/loss 0.412, and the weights of stage head "
        "(0.398) were tested."
    )
    assert line in Page(write_report(write_run(tmp_path, stages=stages, best=best))).text
    for best in ({"stage": "all", "epoch": 9, "val/loss": 0.412}, {"stage": "head", "epoch": 4}, {}):
        assert findings({"stages": stages, "best": best}) == []
    assert not any("thrown" in line for line in findings({"stages": stages, "best": best, "evaluation": {"of": "run"}}))


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({"seen": ["sd"], "unseen": ["gamma"], "unknown": []}, "Training has seen no image of gamma (it has seen sd)."),
        ({"seen": ["sd"], "unseen": [], "unknown": []}, "Training has seen other images of sd."),
        ({"seen": [], "unseen": [], "unknown": ["unknown"]}, "is not known: one of both sides does not name them."),
        (None, "Which generators and styles training has seen is not known."),
    ],
)
def test_an_evaluation_says_which_generators_training_has_seen(seen: dict | None, said: str) -> None:
    styles = {"seen": [], "unseen": ["ink", "oil"], "unknown": []}
    sources = {"seen": ["a"], "unseen": ["museum"], "unknown": []}
    assert findings({"evaluation": {"sources": sources}})[-1] == "Training has seen no image of the source museum."
    found = findings({"evaluation": {"generators": seen, "styles": styles}})
    assert any(said in line for line in found)
    assert found[-1] == "Training has seen no image of the styles ink, oil."


def test_guessing_is_named() -> None:
    test: dict[str, Any] = {"n": 1200, "balanced_accuracy": 0.55, "intervals": {"balanced_accuracy": [0.5, 0.6]}}
    (line,) = guessing({"splits": {"test": test}})
    assert "on the 1,200 test images is 55.0% (95% interval 50.0–60.0%)" in line
    test["intervals"]["balanced_accuracy"][0] = 0.51
    assert guessing({"splits": {"test": test}}) == []
    assert guessing({}) == []
