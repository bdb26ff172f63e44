"""What is guaranteed beside what happened, and which groups of images others lack."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from artclf.evaluation.calibration import fit_decision_rule
from artclf.evaluation.decision import default_rule, with_verdicts
from artclf.evaluation.guarantees import check_guarantees, decision_metrics, describe_gaps, seen_in_training, verdict_rates

RULE = fit_decision_rule(np.arange(198) >= 99, np.linspace(0.01, 0.99, 198))  # guarantees 1% and 5%


def given(label: str, **verdicts: int) -> pd.DataFrame:
    return pd.DataFrame([(label, verdict) for verdict, n in verdicts.items() for _ in range(n)], columns=["label", "verdict"])


@pytest.mark.parametrize(
    ("rows", "mistakes", "broken"),
    [
        (given("human", ai=30, human=70, unsure=20), 30, True),
        (given("human", human=120), 0, False),
        (given("human", ai=1, human=4), 1, False),  # Wilson's interval would begin at 3.6%
        (given("human", ai=2, human=118), 2, False),
        (given("ai", human=30, ai=90), 30, True),
        (given("ai", human=8, unsure=92), 8, False),
    ],
)
def test_a_guarantee_is_broken_where_the_interval_lies_above_it(rows: pd.DataFrame, mistakes: int, broken: bool) -> None:
    (found,) = check_guarantees(RULE, rows, "test")
    n, label = len(rows), rows["label"].iloc[0]
    assert (found["n"], found["mistakes"], found["broken"]) == (n, mistakes, broken)
    assert found["error"] == ("human called ai" if label == "human" else "ai called human")
    assert found["guaranteed"] == pytest.approx(0.01 if label == "human" else 0.05)
    assert found["observed"] == mistakes / n
    assert found["low"] == pytest.approx(beta.ppf(0.025, mistakes, n - mistakes + 1) if mistakes else 0)
    assert found["high"] == pytest.approx(beta.ppf(0.975, mistakes + 1, n - mistakes))


def test_metrics_hold_guarantees_of_all_splits_but_that_of_the_rule_and_the_rate_of_each_verdict() -> None:
    scores = pd.DataFrame({"label": "human", "p_ai": [0.99] * 9 + [0.001]})
    table = pd.concat([scores.assign(split=split) for split in ("val", "test", "unseen")], ignore_index=True)
    found = decision_metrics(with_verdicts(table, RULE), RULE)
    assert [(row["split"], row["broken"]) for row in found["guarantees"]] == [("test", True), ("unseen", True)]
    rates = found["decision_rule"]["rates"]["test"]["human"]
    assert (rates["ai"]["rate"], rates["human"]["rate"], rates["unsure"]["rate"]) == (0.9, 0.1, 0)
    assert rates == verdict_rates(with_verdicts(scores, RULE))["human"]
    none = default_rule("nothing")
    assert decision_metrics(with_verdicts(table, none), none)["guarantees"] == []


def rows(*groups: tuple[str, str, str, int], folder: str = "all") -> pd.DataFrame:
    table = [(label, generator, style, f"{folder}/{i}.png") for label, generator, style, n in groups for i in range(n)]
    return pd.DataFrame(table, columns=["label", "generator", "style", "path"])


@pytest.mark.parametrize(
    ("here", "trained", "generators"),
    [
        ({"sd", "new"}, {"sd", "ld"}, {"seen": ["sd"], "unseen": ["new"], "unknown": []}),
        ({"sd", "unknown"}, {"sd"}, {"seen": ["sd"], "unseen": [], "unknown": ["unknown"]}),
        ({"sd", "new"}, {"sd", "unknown"}, {"seen": ["sd"], "unseen": [], "unknown": ["new"]}),
        (set(), {"sd"}, {"seen": [], "unseen": [], "unknown": []}),
        ({"sd"}, set(), None),
    ],
)
def test_generators_that_training_has_seen(here: set[str], trained: set[str], generators: dict | None) -> None:
    human = [("human", "human", "ink", 1)] if trained else []
    ours, theirs = ([("ai", name, "oil", 2) for name in sorted(names)] for names in (here, trained))
    found = seen_in_training(rows(*ours, ("human", "human", "etching", 1)), rows(*theirs, *human))
    assert found["generators"] == generators
    if generators:
        assert found["styles"] == {"seen": ["oil"] if here else [], "unseen": ["etching"], "unknown": []}
    assert seen_in_training(rows(*ours), pd.DataFrame(columns=["path", "split"])) == {"generators": None, "styles": None}


FOUR = [("human", "human", style, 20) for style in ("ink", "oil", "grey", "etching")]


@pytest.mark.parametrize(
    ("train", "val", "said"),
    [
        (rows(*FOUR), rows(("human", "human", "grey", 74)), "human images of 3 of 4 styles (ink, oil, etching)"),
        (rows(("ai", "sd", "a", 9), ("ai", "ld", "a", 9)), rows(("ai", "sd", "a", 5)), "AI images of 1 of 2 generators (ld)"),
        (
            pd.concat([rows(FOUR[0], folder="met"), rows(FOUR[0], folder="moma")]),
            rows(FOUR[0], folder="met"),
            "human images of 1 of 2 folders (moma)",
        ),
        (
            rows(*FOUR, FOUR[0]).assign(source=lambda table: (table["style"] == "ink").map({True: "met", False: ""})),
            rows(FOUR[0]).assign(source="x"),
            "human images of 3 of 4 styles (oil, grey, etching), and human images of 2 of 2 sources (none given, met)",
        ),
        (rows(*FOUR), rows(*FOUR), None),
        (rows(FOUR[0], folder="train"), rows(FOUR[0], folder="val"), None),
        (rows(*FOUR), rows(("human", "human", "ink", 3)), None),  # too few to cover four: that is said elsewhere
        (rows(*FOUR, ("human", "human", "rare", 2)), rows(*FOUR), None),
    ],
)
def test_what_validation_does_not_cover_is_a_line(train: pd.DataFrame, val: pd.DataFrame, said: str | None) -> None:
    lines = describe_gaps(train, val)
    assert lines == [] if said is None else [line for line in lines if line.startswith(f"validation lacks {said} that")]
    assert len(lines) == (said is not None)
