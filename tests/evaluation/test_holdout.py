"""Constructed predictions, of which it is known what has to come out."""

import numpy as np
import pandas as pd
import pytest

from artclf.errors import ArtclfError
from artclf.evaluation.holdout import FIGURES, HoldoutRun, holdout_results
from artclf.evaluation.intervals import wilson

HUMAN = np.linspace(0.01, 0.45, 20)  # no human image is called AI at 0.5


def predictions(leave: str, scores: dict[str, np.ndarray]) -> pd.DataFrame:
    """One run: generator → p_ai of its test images; all that was left out is in a split of its own. Rows in no order."""
    parts = []
    for name, p_ai in {**scores, "human": HUMAN}.items():
        label, split = "human" if name == "human" else "ai", "unseen" if name == leave else "test"
        rows = pd.DataFrame({"path": [f"{name}/{i}.png" for i in range(len(p_ai))], "p_ai": p_ai})
        parts.append(rows.assign(label=label, generator=name, style="plain", split=split))
        if name == leave:  # images that trained the others; none is found
            parts.append(
                rows.assign(path="train/" + rows["path"], label=label, generator=name, style="", split=split, p_ai=0.0)
            )
    parts.append(parts[0].assign(split="val", path="val/" + parts[0]["path"], p_ai=0.99))  # which is no part of anything
    return pd.concat(parts).sample(frac=1, random_state=0)


def three_runs() -> list[HoldoutRun]:
    """alpha is found always; beta half of the time when unseen, and always when seen; gamma never when unseen."""
    found, missed = np.full(10, 0.9), np.full(10, 0.1)
    half = np.where(np.arange(10) < 5, 0.9, 0.1)
    return [
        HoldoutRun("alpha", predictions("alpha", {"alpha": found, "beta": found, "gamma": half})),
        HoldoutRun("beta", predictions("beta", {"alpha": found, "beta": half, "gamma": found})),
        HoldoutRun("gamma", predictions("gamma", {"alpha": found, "beta": found, "gamma": missed})),
    ]


def test_unseen_seen_and_others_by_hand() -> None:
    alpha, beta, gamma = holdout_results(three_runs(), "generator")
    assert beta.unseen.estimates["recall"] == wilson(5, 20)
    assert beta.paired.estimates["recall"] == wilson(5, 10)
    assert (gamma.unseen.ai, gamma.unseen.human, gamma.unseen.estimates["recall"].value) == (20, 20, 0)
    assert (gamma.paired.ai, gamma.seen.ai, gamma.seen.human) == (10, 10, 20)
    assert beta.seen.estimates["recall"].value == 1.0
    half, whole, mean = wilson(5, 10), wilson(10, 10), gamma.seen.estimates["recall"]  # by the runs without alpha, without beta
    assert gamma.seen_by == 2
    assert tuple(gamma.unseen.estimates) == FIGURES
    assert gamma.unseen.estimates["recall_at_5"].value == 0  # one of twenty human images may lie above, the next has 0.43
    assert mean.value == pytest.approx((0.5 + 1.0) / 2)
    assert (mean.low, mean.high) == (pytest.approx((half.low + whole.low) / 2), pytest.approx((half.high + whole.high) / 2))
    assert alpha.others.estimates["recall"] == wilson(15, 20)  # beta and gamma in the run without alpha
    assert gamma.lost["recall"].value == pytest.approx(-0.75)
    assert beta.lost["balanced_accuracy"].value == pytest.approx(-0.25)
    assert gamma.lost["auroc"].value < 0
    assert gamma.lost["recall"].high < 0 < alpha.lost["recall"].high + 1e-12
    (alone,) = holdout_results(three_runs()[:1], "generator")
    assert (alone.seen, alone.lost) == (None, {})
    assert alone.others is not None
    (first, _, _) = holdout_results(three_runs(), "period")  # whose images others have not seen all
    assert (first.unseen, first.seen) == (alpha.unseen, None)


@pytest.mark.parametrize("by", ["style", "source"])
def test_a_style_or_source_is_compared_with_its_own_human_images(by: str) -> None:
    def run(leave: str) -> HoldoutRun:
        rows = [
            (f"{style}/{label}{i}.png", label, label, style, "unseen" if style == leave else "test", p_ai)
            for style, human in (("plain", 0.1), ("rough", 0.9))
            for label, p_ai in (("ai", 0.8), ("human", human))
            for i in range(6)
        ]
        columns = ["path", "label", "generator", "style", "split", "p_ai"]
        tested = pd.DataFrame(rows, columns=columns)
        trained = tested[tested["split"] == "unseen"].assign(path="train/" + tested["path"])
        return HoldoutRun(leave, pd.concat([tested, trained]))

    plain, rough = holdout_results([run("plain"), run("rough")], by)
    assert (plain.unseen.ai, plain.unseen.human) == (12, 12)
    assert (plain.paired.ai, plain.paired.human) == (6, 6)
    assert (plain.unseen.estimates["auroc"].value, rough.unseen.estimates["auroc"].value) == (1, 0)
    assert (plain.unseen.estimates["false_positive_rate"].value, rough.unseen.estimates["false_positive_rate"].value) == (0, 1)
    assert plain.others.estimates["false_positive_rate"].value == 1


def test_a_source_without_test_images_or_of_one_class_has_its_rates_alone() -> None:
    """Nothing to compare with, and no AUROC."""
    human = [(f"{i}.png", "human", "human", "", "unseen", 0.9 if i < 3 else 0.1) for i in range(10)]
    rest = [(f"{label}.png", label, label, "", "test", 0.5) for label in ("ai", "human")]
    columns = ["path", "label", "generator", "style", "split", "p_ai"]
    here, there = (pd.DataFrame(rows, columns=columns) for rows in ([*human, *rest], [*rest]))
    result, _ = holdout_results([HoldoutRun("a", here), HoldoutRun("b", there.replace("test", "unseen"))], "source")
    assert (result.seen, result.lost) == (None, {})
    assert result.unseen.estimates["false_positive_rate"] == wilson(3, 10)
    assert [result.unseen.estimates[name].value for name in ("recall", "auroc", "recall_at_1")] == [None] * 3


def test_other_images_are_refused() -> None:
    first, second, third = three_runs()
    gone = HoldoutRun("beta", second.predictions[second.predictions["path"] != "alpha/3.png"])
    with pytest.raises(ArtclfError, match=r"beta: its run was not tested on alpha/3\.png \(1 such images\)"):
        holdout_results([first, gone, third], "generator")
    with pytest.raises(ArtclfError, match="alpha: its run has no predictions of a split held_out"):
        holdout_results([HoldoutRun("alpha", first.predictions, "held_out")], "generator")
