import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from artclf.data.distortions import list_versions
from artclf.errors import ArtclfError
from artclf.evaluation.robustness import Robustness, measure_robustness
from artclf.report.text import (
    errors_in_words,
    other_splits,
    read_robustness,
    robustness_in_words,
    three_sentences,
)

LABELS = np.repeat(["human", "ai"], [50, 70])


def measured(*, all_alike: bool = False, labels: tuple[str, ...] = ("human", "ai"), still: bool = False) -> Robustness:
    """A detector that takes low JPEG quality for AI, and does not see through blur."""
    rng = np.random.default_rng(0)
    clean = rng.normal(0, 1, len(LABELS)) + np.where(LABELS == "ai", 1.5, -1.5)
    parts = []
    for version in list_versions(all_alike=all_alike):
        logit = clean.copy()
        if version.distortion == "jpeg" and not still:
            logit += {90: 0, 75: 0.1, 50: 1.8, 30: 2.5}[version.level]
        if version.distortion == "blur" and not still:
            logit = logit * (1 - version.level / 2) - 0.1 * np.arange(len(logit)) % 1
        table = pd.DataFrame({"path": [str(i) for i in range(len(LABELS))], "label": LABELS, "p_ai": 1 / (1 + np.exp(-logit))})
        parts.append(table.assign(first=version.first, distortion=version.distortion, level=version.level))
    scores = pd.concat(parts, ignore_index=True).astype({"level": float})
    return measure_robustness(scores[scores["label"].isin(labels)], 0.5)


@pytest.fixture(scope="module")
def found() -> Robustness:
    return measured()


@pytest.fixture
def metrics(make_run, tmp_path):
    return json.loads((make_run(tmp_path) / "metrics.json").read_text())


def test_three_sentences_say_what_on_what_how_well_and_what_not_to_trust(metrics):
    trained, measured, doubts = three_sentences(metrics)
    assert trained == (
        "The network resnet50, which started from ImageNet weights, was trained on 105,015 AI pictures and 50,000 human "
        "pictures of ai_artbench in 2 stages: head (head alone), then last10 (last 10 layers)."
    )
    confusion = metrics["splits"]["test"]["confusion"]
    accused, missed = confusion["human"]["ai"], confusion["ai"]["human"]
    assert measured.startswith(
        f"On 118 test pictures that training did not show, {metrics['splits']['test']['accuracy']:.1%} of"
    )
    assert f"of 40 human works {accused} are wrongly called AI ({accused / 40:.1%}: false accusations)" in measured
    assert f"of 78 AI works {missed} are missed ({missed / 78:.1%})" in measured
    unseen = metrics["splits"]["unseen"]["confusion"]["ai"]["human"]
    assert f"on unseen, of 40 AI works {unseen} are missed ({unseen / 40:.1%})" in doubts
    assert "learned from latent_diffusion and stable_diffusion alone" in doubts
    assert "118 test pictures are few" in doubts


@pytest.mark.parametrize("generators", [["ai"], ["a", "b", "c", "d", "e"]])
def test_unnamed_or_many_generators_are_not_listed(generators, metrics):
    metrics["data"]["counts"]["train"]["ai"] = dict.fromkeys(generators, 5)
    assert "learned from the generators of its training data alone" in three_sentences(metrics)[2]


def test_a_large_test_set_is_not_called_small(metrics):
    metrics["splits"]["test"]["n"] = 30000
    assert "few" not in three_sentences(metrics)[2]


def test_demo_pictures_tell_nothing_about_art(metrics):
    metrics["data"]["source"] = "demo"
    assert "nothing about art" in three_sentences(metrics)[2]


def test_what_the_data_gives_away_is_held_against_it(metrics):
    doubts = three_sentences(metrics, 0.873)[2]
    assert (
        f"an AUROC of 0.87, its own being {metrics['splits']['test']['auroc']:.3f}, so part of what it has learned may be that"
        in doubts
    )
    assert "brightness" not in three_sentences(metrics)[2]


def test_an_empty_run_still_gives_three_sentences():
    assert three_sentences({}) == [
        "The network was trained.",
        "How good it is on test pictures was not recorded.",
        "Do not take a single verdict as proof of who made a picture.",
    ]


@pytest.mark.parametrize(
    ("weights", "start"), [("random", "random weights"), ("art.ckpt", "the weights art.ckpt"), ("imagenet", "ImageNet weights")]
)
def test_what_it_started_from(weights, start):
    assert (
        three_sentences({"model": {"name": "net", "weights": weights}})[0]
        == f"The network net, which started from {start}, was trained."
    )


def test_one_mistake_is_singular_and_an_absent_class_is_left_out():
    assert errors_in_words({"confusion": {"ai": {"ai": 0, "human": 1}, "human": {"ai": 0, "human": 0}}}) == (
        "of 1 AI work 1 is missed (100.0%)"
    )
    assert errors_in_words({}) == ""


def test_other_splits_are_those_with_verdicts(metrics):
    assert other_splits(metrics) == ["unseen"]


def test_an_evaluation_says_where_the_network_learned_and_what_it_judges(metrics):
    told = {
        "of": "a.ckpt",
        "data": "museum",
        "own_data": False,
        "left_out": 0,
        "trained_on": {"ai": {"sd": 7}, "human": {"human": 5}},
    }
    trained, measured, doubts = three_sentences({**metrics, "evaluation": told})
    assert "was trained before on 7 AI pictures and 5 human pictures in 2 stages" in trained
    assert trained.endswith("; here it judges pictures of museum.")
    assert "test pictures that training did not show" in measured
    assert "learned from sd alone" in doubts
    trained, measured, _ = three_sentences({**metrics, "evaluation": {**told, "left_out": None, "trained_on": None}})
    assert "AI pictures" not in trained
    assert measured.startswith("On 118 test pictures, ")


def test_the_words_say_what_breaks_it_whom_it_accuses_and_of_which_kind_it_is(found: Robustness) -> None:
    worst, accused, *kinds, alike = robustness_in_words(found)
    clean, blurred = found.clean, found.of("blur")[-1]
    assert worst == (
        f"What breaks it most: blur 2. With all pictures altered so, balanced accuracy falls from "
        f"{clean.balanced_accuracy['both'].value:.1%} to {blurred.balanced_accuracy['both'].value:.1%} at the same threshold."
    )
    jpeg = found.of("jpeg")[-1]
    assert accused == (
        f"Newly accused: {jpeg.flips.accused} of 50 human works ({jpeg.flips.accused / 50:.1%}), called human as they are, "
        "under JPEG 30."
    )
    assert any(line.startswith("Bias: works look more like AI's under JPEG 50 and 30;") for line in kinds)
    assert any(line.startswith("Fragility: what it looks for is lost under blur") for line in kinds)
    assert any("No loss of the scores' order was found under JPEG 50 and 30" in line for line in kinds)
    assert alike.startswith("With every picture re-encoded alike first (JPEG 95), 0 of 120 verdicts change, and")


def test_what_holds_is_said_to_hold() -> None:
    lines = robustness_in_words(measured(still=True))
    assert lines[0].startswith("Nothing that was tried lowers the balanced accuracy of ")
    assert lines[1] == "None of the 50 human works is newly called AI by any of it."
    assert lines[2].startswith("Neither bias nor fragility beyond chance")


def test_one_class_alone_is_described() -> None:
    (line, _) = robustness_in_words(measured(labels=("human",)))
    assert line.startswith("Newly accused: ")
    assert "accused" not in " ".join(robustness_in_words(measured(labels=("ai",))))


@pytest.mark.parametrize(("content", "reason"), [("{", "is no JSON"), ('{"levels": [{}]}', "is not what an evaluation writes")])
def test_a_foreign_file_is_refused(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "robustness.json").write_text(content)
    with pytest.raises(ArtclfError, match=reason):
        read_robustness(tmp_path)
