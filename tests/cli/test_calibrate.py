import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from typer.testing import CliRunner

from artclf.cli import app
from artclf.evaluation.conformal import fit_decision_rule
from artclf.evaluation.decision import ConformalThreshold, DecisionRule, Temperature
from artclf.inference.predict import Prediction, predict_pictures
from artclf.model.checkpoint import read_decision_rule, write_decision_rule
from tests.conftest import draw

PROMISE = ConformalThreshold(0.7, 0.01, 0.0099, 0.001, 0.03)
EARLIER = DecisionRule(Temperature(3.0), 0.3, 0.7, PROMISE, PROMISE, (PROMISE,), "validation", 100, 90, {})


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty pictures by people and ten by AI."""
    folder = tmp_path_factory.mktemp("labelled")
    for number in range(20):
        draw(folder / "human" / f"{number:02}.png", "human", number)
        if number % 2:
            draw(folder / "ai" / "maker" / f"{number:02}.png", "ai", number)
    return folder


@pytest.fixture
def judged(run: Path, tmp_path: Path) -> Path:
    """A run folder of one's own, whose model has a judge."""
    folder = shutil.copytree(run, tmp_path / "run")
    write_decision_rule(folder / "checkpoints" / "best.ckpt", EARLIER)
    (folder / "metrics.json").write_text(json.dumps({"precision": "32-true", "data": {"root": str(tmp_path)}}))
    (folder / "manifest.csv").write_text("path,label,generator,style,split\n")
    return folder


def command(run: Path, images: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["calibrate", str(run), "--images", str(images), *words])


def test_pictures_of_ones_own_set_the_verdicts(judged: Path, labelled: Path) -> None:
    checkpoint = judged / "checkpoints" / "best.ckpt"
    done = command(judged, labelled, "--false-positive-rate", "0.1")
    assert done.exit_code == 0, done.output
    predictions = list(predict_pictures(judged, [labelled], "32-true"))
    is_ai = np.array(["ai" in prediction.path.parts for prediction in predictions])
    p_ai = np.array([prediction.p_ai for prediction in predictions])
    judge = fit_decision_rule(is_ai, p_ai, false_positive_rate=0.1, fitted_on=str(labelled))
    assert read_decision_rule(checkpoint) == judge
    assert "30 pictures of" in done.stdout
    assert "20 by people, 10 by AI" in done.stdout
    assert f"verdict ai    from  p_ai {judge.ai_from:.4f} (95% interval" in done.stdout
    assert "9.5% promised (1.2% to 25%), 10% asked" in done.stdout
    assert "10 AI works can promise 9.1% at best: 9 more would be needed for 5%" in done.stderr
    (replaced,) = re.findall(r"^it replaces (.*)$", done.stdout, re.MULTILINE)
    assert DecisionRule.from_json(json.loads(replaced)) == EARLIER
    (report,) = judged.glob("calibrate_*.json")
    assert f"all of it: {report}" in done.stdout
    content = json.loads(report.read_text())
    assert DecisionRule.from_json(content["judge"]) == judge
    assert DecisionRule.from_json(content["replaced"]) == EARLIER
    assert (content["n_human"], content["n_ai"], content["unreadable"], content["needed"]) == (
        20,
        10,
        {},
        {"human": 9, "ai": 19},
    )
    assert content["intervals"]["ai_from"][0] <= judge.false_positives.threshold <= content["intervals"]["ai_from"][1]
    assert content["intervals"]["human_below"][0] <= judge.false_negatives.threshold <= content["intervals"]["human_below"][1]


def test_who_evaluates_on_what_set_the_verdicts_is_told(run: Path, labelled: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copy(run / "checkpoints" / "best.ckpt", tmp_path / "alone.ckpt"))
    assert command(alone, labelled).exit_code == 0
    done = CliRunner().invoke(app, ["evaluate", str(alone), str(labelled), "--to", str(tmp_path / "evaluation")])
    assert done.exit_code == 0, done.output
    assert "thresholds were set by the pictures of" in done.stderr
    assert any(
        "flatter: give it others" in line
        for line in json.loads((tmp_path / "evaluation/metrics.json").read_text())["fallbacks"]
    )


def test_a_dry_run_changes_nothing(judged: Path, labelled: Path) -> None:
    before = {file: file.read_bytes() for file in judged.rglob("*") if file.is_file()}
    done = command(judged, labelled, "--dry-run", "--method", "isotonic")
    assert done.exit_code == 0, done.output
    assert "calibration: isotonic" in done.stdout
    assert "nothing was saved (--dry-run)" in done.stdout
    assert {file: file.read_bytes() for file in judged.rglob("*") if file.is_file()} == before


def test_unreadable_pictures_are_named_and_trained_ones_left_out(judged: Path, labelled: Path, tmp_path: Path) -> None:
    images = shutil.copytree(labelled, tmp_path / "images")
    (images / "human" / "text.jpg").write_text("no picture")
    rows = [{"path": f"images/human/{number:02}.png", "split": "train"} for number in range(3)]
    rows += [{"path": f"images/human/{number:02}.png", "split": "val"} for number in range(3, 6)]
    pd.DataFrame(rows).to_csv(judged / "manifest.csv", index=False)
    done = command(judged, images)
    assert done.exit_code == 1, done.output
    assert "text.jpg: not an image artclf can read" in done.stderr
    assert "left out: 3 pictures that trained this model" in done.stdout
    judge = read_decision_rule(judged / "checkpoints" / "best.ckpt")
    assert judge is not None
    assert (judge.n_human, judge.n_ai) == (17, 10)


def test_all_pictures_that_trained_it_are_too_few(judged: Path, labelled: Path, tmp_path: Path) -> None:
    images = shutil.copytree(labelled, tmp_path / "images")
    rows = [{"path": f"images/{file.relative_to(images)}", "split": "train"} for file in images.rglob("*.png")]
    pd.DataFrame(rows).to_csv(judged / "manifest.csv", index=False)
    done = command(judged, images)
    assert done.exit_code == 2
    assert "holds 0 pictures by people and 0 by AI that can be used (30 more trained this model)" in done.stderr


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("metrics.json", '{"data": ', "metrics.json: is no JSON"),
        ("manifest.csv", "", "manifest.csv: is empty; run the training again"),
        ("manifest.csv", "path,label\n", "manifest.csv: has no column split"),
    ],
)
def test_a_damaged_run_is_not_taken_for_none(judged: Path, labelled: Path, file: str, content: str, said: str) -> None:
    """Pictures that trained the model would set its verdicts, and flatter."""
    (judged / file).write_text(content)
    done = command(judged, labelled)
    assert done.exit_code == 2
    assert said in done.stderr
    assert read_decision_rule(judged / "checkpoints" / "best.ckpt") == EARLIER


def test_a_checkpoint_alone_can_be_calibrated(run: Path, labelled: Path, tmp_path: Path) -> None:
    alone = tmp_path / "here" / "alone.ckpt"
    alone.parent.mkdir()
    shutil.copy(run / "checkpoints" / "best.ckpt", alone)
    done = command(alone, labelled)
    assert done.exit_code == 0, done.output
    assert "it replaces" not in done.stdout
    assert read_decision_rule(alone) is not None
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["alone.ckpt"]


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], float]], None]:
    """Let the network give each picture the score that a function makes of its path."""

    def give(score: Callable[[Path], float]) -> None:
        def predictions(run: Path, paths: list[Path], precision: str, *, tell: bool):
            yield from (Prediction(path, score(path), score(path), "") for path in paths)

        monkeypatch.setattr("artclf.inference.calibrate.predict_pictures", predictions)

    return give


def test_scores_that_tell_nothing_are_warned_of(judged: Path, labelled: Path, scored) -> None:
    scored(lambda path: int(path.stem) / 20)
    done = command(judged, labelled, "--dry-run")
    assert "the scores may be no better than guessing" in done.stderr
    assert "so 0 of 10 AI works" in done.stdout


def test_scores_that_separate_leave_no_verdict_unsure(judged: Path, labelled: Path, scored) -> None:
    scored(lambda path: (0.8 if "ai" in path.parts else 0.1) + int(path.stem) / 200)
    done = command(judged, labelled, "--dry-run", "--false-positive-rate", "0.1", "--false-negative-rate", "0.2")
    assert "one threshold keeps both promises: no verdict is unsure" in done.stdout
    (ai_from, kept, low, high) = re.search(
        r"verdict ai .* p_ai ([\d.]+) \(95% interval of ([\d.]+), .* ([\d.]+) to ([\d.]+)\)", done.stdout
    ).groups()
    assert float(low) <= float(kept) <= float(high)
    assert float(kept) < float(ai_from)
    assert "so 10 of 10 AI works" in done.stdout
    assert "guessing" not in done.stderr
    assert "on these pictures, the verdicts that the model had call 0 of 20 human works (0%" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--false-positive-rate", "1"], "--false-positive-rate: got 1; allowed: a share between 0 and 1, such as 0.01 for 1%"),
        (["--false-negative-rate", "0"], "--false-negative-rate: got 0; allowed"),
    ],
)
def test_rates_that_are_none_are_refused(judged: Path, labelled: Path, words: list[str], said: str) -> None:
    done = command(judged, labelled, *words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_too_few_pictures_are_refused(judged: Path, tmp_path: Path, scored) -> None:
    scored(lambda path: 0.5)
    for number in range(6):
        draw(tmp_path / "few" / "human" / f"{number}.png", "human", number)
    draw(tmp_path / "few" / "ai" / "0.png", "ai", 0)
    done = command(judged, tmp_path / "few")
    assert done.exit_code == 2
    assert "holds 6 pictures by people and 1 by AI that can be used; allowed: 5 of each at least" in done.stderr
    assert command(judged, tmp_path / "nowhere").exit_code == 2
    assert read_decision_rule(judged / "checkpoints" / "best.ckpt") == EARLIER
