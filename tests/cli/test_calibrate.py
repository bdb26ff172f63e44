import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import Result

from artclf.evaluation.conformal import fit_decision_rule
from artclf.evaluation.decision import Calibrator, ConformalThreshold, DecisionRule
from artclf.inference.predict import predict_images
from artclf.model.checkpoint import read_decision_rule, write_decision_rule
from tests.cli.conftest import artclf
from tests.conftest import draw

EARLIER_THRESHOLD = ConformalThreshold(0.7, 0.01, 0.0099, 0.001, 0.03)
EARLIER = DecisionRule(
    Calibrator("temperature", 1 / 3),
    0.3,
    0.7,
    EARLIER_THRESHOLD,
    EARLIER_THRESHOLD,
    (EARLIER_THRESHOLD,),
    "validation",
    100,
    90,
    {},
)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty human images and ten AI images."""
    folder = tmp_path_factory.mktemp("labelled")
    for number in range(20):
        draw(folder / "human" / f"{number:02}.png", "human", number)
        if number % 2:
            draw(folder / "ai" / "maker" / f"{number:02}.png", "ai", number)
    return folder


@pytest.fixture
def own_run(run: Path, tmp_path: Path) -> Path:
    """A run folder of one's own, whose model has a decision rule."""
    folder = shutil.copytree(run, tmp_path / "run")
    write_decision_rule(folder / "checkpoints" / "best.ckpt", EARLIER)
    (folder / "metrics.json").write_text(json.dumps({"precision": "32-true", "data": {"root": str(tmp_path)}}))
    (folder / "manifest.csv").write_text("path,label,generator,style,split\n")
    return folder


def calibrate(run: Path, images: Path, *words: str) -> Result:
    return artclf("calibrate", run, "--images", images, *words)


def cells(done: Result, first: str) -> list[str]:
    """The row of a table that begins so."""
    (row,) = [line for line in done.stdout.splitlines() if line.startswith(f"│ {first} ")]
    return [cell.strip() for cell in row.strip("│").split("│")]


def rule_of(run: Path) -> DecisionRule | None:
    return read_decision_rule(run / "checkpoints" / "best.ckpt")


def test_images_of_ones_own_set_the_verdicts(own_run: Path, labelled: Path) -> None:
    done = calibrate(own_run, labelled, "--false-positive-rate", "0.1")
    assert done.exit_code == 0, done.output
    predictions = list(predict_images(own_run, [labelled], "32-true"))
    is_ai = np.array(["ai" in prediction.path.parts for prediction in predictions])
    p_ai = np.array([prediction.p_ai for prediction in predictions])
    rule = fit_decision_rule(is_ai, p_ai, false_positive_rate=0.1, fitted_on=str(labelled))
    assert rule_of(own_run) == rule
    assert f"30 images of {labelled}: 20 human, 10 AI" in done.stdout
    row = cells(done, "ai")
    assert row[1] == f"from {rule.ai_from:.4f}"
    assert row[3:] == ["human images called ai", "10%", "9.5%", "1.2% to 25%"]
    assert "10 AI images can guarantee 9.1% at best; 9 more would be needed for 5%" in done.stderr
    (replaced,) = re.findall(r"^that rule: (.*)$", done.stdout, re.MULTILINE)
    assert DecisionRule.from_json(json.loads(replaced)) == EARLIER
    (report,) = own_run.glob("calibrate_*.json")
    assert f"all of it: {report}" in done.stdout
    content = json.loads(report.read_text())
    assert DecisionRule.from_json(content["decision_rule"]) == rule
    assert DecisionRule.from_json(content["replaced"]) == EARLIER
    assert (content["n_human"], content["n_ai"], content["unreadable"]) == (20, 10, {})
    assert content["needed"] == {"human": 9, "ai": 19}
    for name, own in (("ai_from", rule.false_positives), ("human_below", rule.false_negatives)):
        low, high = content["intervals"][name]
        assert low <= own.threshold <= high


def test_a_checkpoint_alone_is_calibrated_and_evaluated_on_the_same_images_with_a_note(
    alone: Path, labelled: Path, tmp_path: Path
) -> None:
    done = calibrate(alone, labelled)
    assert done.exit_code == 0, done.output
    assert "that rule" not in done.stdout
    assert read_decision_rule(alone) is not None
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["alone.ckpt"]
    done = artclf("evaluate", alone, labelled, "--to", tmp_path / "evaluation")
    assert done.exit_code == 0, done.output
    assert "note: calibration and thresholds were fitted to the images of" in done.stderr
    assert "flatter: give others" in json.loads((tmp_path / "evaluation/metrics.json").read_text())["fallbacks"][1]


def test_a_dry_run_changes_nothing(own_run: Path, labelled: Path) -> None:
    before = {file: file.read_bytes() for file in own_run.rglob("*") if file.is_file()}
    done = calibrate(own_run, labelled, "--dry-run", "--method", "isotonic")
    assert done.exit_code == 0, done.output
    assert "calibration: isotonic" in done.stdout
    assert "nothing was saved (--dry-run)" in done.stdout
    assert {file: file.read_bytes() for file in own_run.rglob("*") if file.is_file()} == before


def test_unreadable_images_are_named_and_trained_ones_left_out(own_run: Path, labelled: Path, tmp_path: Path) -> None:
    images = shutil.copytree(labelled, tmp_path / "images")
    (images / "human" / "text.jpg").write_text("no image")
    rows = [(f"images/human/{number:02}.png", "train" if number < 3 else "val") for number in range(6)]
    pd.DataFrame(rows, columns=["path", "split"]).to_csv(own_run / "manifest.csv", index=False)
    done = calibrate(own_run, images)
    assert done.exit_code == 1, done.output
    assert "text.jpg: not an image artclf can read" in done.stderr
    assert "(3 more left out: they trained this model)" in done.stdout
    rule = rule_of(own_run)
    assert rule is not None
    assert (rule.n_human, rule.n_ai) == (17, 10)


def test_all_images_that_trained_it_are_too_few(own_run: Path, labelled: Path, tmp_path: Path) -> None:
    images = shutil.copytree(labelled, tmp_path / "images")
    rows = [(f"images/{file.relative_to(images)}", "train") for file in images.rglob("*.png")]
    pd.DataFrame(rows, columns=["path", "split"]).to_csv(own_run / "manifest.csv", index=False)
    done = calibrate(own_run, images)
    assert done.exit_code == 2
    assert "holds 0 human and 0 AI images that can be used (30 more trained this model); allowed: 5 of each" in done.stderr


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("metrics.json", '{"data": ', "metrics.json: is no JSON"),
        ("manifest.csv", "", "manifest.csv: is empty; run the training again"),
        ("manifest.csv", "path,label\n", "manifest.csv: has no column split"),
    ],
)
def test_a_damaged_run_is_not_taken_for_none(own_run: Path, labelled: Path, file: str, content: str, message: str) -> None:
    """Images that trained the model would set its verdicts, and flatter."""
    (own_run / file).write_text(content)
    done = calibrate(own_run, labelled)
    assert done.exit_code == 2
    assert message in done.stderr
    assert rule_of(own_run) == EARLIER


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], float]], None]:
    """Let the network give each image the score that a function makes of its path."""

    def give(score: Callable[[Path], float]) -> None:
        def score_rows(model: object, root: Path, rows: pd.DataFrame, *_: object) -> tuple[np.ndarray, list[str]]:
            return np.array([[score(root / path)] for path in rows["path"]]), [""] * len(rows)

        monkeypatch.setattr("artclf.inference.calibrate.score_rows", score_rows)

    return give


def test_scores_without_information_are_warned_of(own_run: Path, labelled: Path, scored) -> None:
    scored(lambda path: int(path.stem) / 20)
    assert "may be no better than guessing" in calibrate(own_run, labelled, "--dry-run").stderr


def test_scores_that_separate_leave_no_verdict_unsure(own_run: Path, labelled: Path, scored) -> None:
    scored(lambda path: (0.8 if "ai" in path.parts else 0.1) + int(path.stem) / 200)
    done = calibrate(own_run, labelled, "--dry-run", "--false-positive-rate", "0.1", "--false-negative-rate", "0.2")
    assert "one threshold meets both target rates" in done.stdout
    _, p_ai, own, *_ = cells(done, "ai")
    threshold, low, high = map(float, re.findall(r"[\d.]+", own))
    assert low <= threshold <= high
    assert threshold < float(p_ai.removeprefix("from "))
    assert "verdicts on these images: 1 of 20 human images called ai" not in done.stdout
    assert "0 of 30 images unsure" in done.stdout
    assert "guessing" not in done.stderr


def test_rates_and_images_that_can_not_be_used_are_refused(own_run: Path, labelled: Path, tmp_path: Path, scored) -> None:
    scored(lambda path: 0.5)
    for number in range(6):
        draw(tmp_path / "few" / "human" / f"{number}.png", "human", number)
    draw(tmp_path / "few" / "ai" / "0.png", "ai", 0)
    for images, words, message in (
        (labelled, ["--false-positive-rate", "1"], "--false-positive-rate: got 1; allowed: a share between 0 and 1, such as"),
        (labelled, ["--false-negative-rate", "0"], "--false-negative-rate: got 0; allowed"),
        (tmp_path / "few", [], "holds 6 human and 1 AI images that can be used; allowed: 5 of each at least"),
        (tmp_path / "nowhere", [], "nowhere"),
    ):
        done = calibrate(own_run, images, *words)
        assert done.exit_code == 2
        assert message in done.stderr
    assert rule_of(own_run) == EARLIER
