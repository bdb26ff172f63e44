import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import Result

from artclf.evaluation.calibration import fit_decision_rule
from artclf.evaluation.decision import DecisionRule
from artclf.inference.predict import load
from artclf.model.checkpoint import read_decision_rule, write_decision_rule
from tests.cli.conftest import artclf, refusal
from tests.conftest import draw

EARLIER = fit_decision_rule(np.arange(40) % 2 == 1, np.linspace(0.1, 0.9, 40))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty human images and ten AI images."""
    folder = tmp_path_factory.mktemp("labelled")
    for number in range(20):
        draw(folder / "human" / f"{number:02}.png", "human", number)
        if number % 2:
            draw(folder / "ai" / "sd" / f"{number:02}.png", "ai", number)
    return folder


@pytest.fixture
def own_run(run: Path, tmp_path: Path) -> Path:
    """A run folder of one's own, whose model has a decision rule."""
    folder = shutil.copytree(run, tmp_path / "run")
    write_decision_rule(folder / "checkpoints" / "best.ckpt", EARLIER)
    (folder / "metrics.json").write_text(json.dumps({"precision": "32-true", "data": {"root": str(tmp_path)}}))
    return folder


def calibrate(run: Path, images: Path, *words: str, code: int = 0) -> Result:
    return artclf("calibrate", run, "--images", images, *words, code=code)


def rule_of(run: Path) -> DecisionRule | None:
    return read_decision_rule(run / "checkpoints" / "best.ckpt")


def test_images_of_ones_own_set_the_verdicts(own_run: Path, labelled: Path) -> None:
    done = calibrate(own_run, labelled, "--false-positive-rate", "0.1")
    predictions = list(load(own_run, "32-true").predictions([labelled]))
    is_ai = np.array(["ai" in prediction.path.parts for prediction in predictions])
    p_ai = np.array([prediction.p_ai for prediction in predictions])
    rule = fit_decision_rule(is_ai, p_ai, false_positive_rate=0.1, fitted_on=str(labelled))
    assert rule_of(own_run) == rule
    assert f"30 images of {labelled}: 20 human, 10 AI" in done.stdout
    assert f"ai from {rule.ai_from:.4f}" in done.stdout
    assert "9.5% at most are guaranteed (target 10.0%), the true rate may be 1.2% to 24.9%" in done.stdout
    assert "10 AI images can guarantee 9.1% at best; 9 more would be needed for 5.0%" in done.stdout
    (replaced,) = re.findall(r"^that rule: (.*)$", done.stdout, re.MULTILINE)
    assert DecisionRule.from_json(json.loads(replaced)) == EARLIER
    (report,) = own_run.glob("calibrate_*.json")
    assert f"saved in {own_run / 'checkpoints/best.ckpt'} and {report}" in done.stdout
    content = json.loads(report.read_text())
    assert DecisionRule.from_json(content["decision_rule"]) == rule
    assert DecisionRule.from_json(content["replaced"]) == EARLIER
    assert content["needed"] == {"human": 9, "ai": 19}
    assert sum(content["verdicts"]["human"].values()) == 20
    for name, own in (("ai_from", rule.false_positives), ("human_below", rule.false_negatives)):
        low, high = content["intervals"][name]
        assert low <= own.threshold <= high


@pytest.mark.usefixtures("no_report")
def test_a_checkpoint_alone_is_calibrated_and_evaluated_on_the_same_images_with_a_note(
    alone: Path, labelled: Path, tmp_path: Path
) -> None:
    done = calibrate(alone, labelled)
    assert "that rule" not in done.stdout
    assert "(which images trained this model is not known)" in done.stdout
    assert read_decision_rule(alone) is not None
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["alone.ckpt"]
    done = artclf("evaluate", alone, labelled, "--to", tmp_path / "evaluation")
    assert "note: calibration and thresholds were fitted to the images of" in done.stderr
    assert "flatter" in json.loads((tmp_path / "evaluation/metrics.json").read_text())["fallbacks"][1]


def test_a_dry_run_changes_nothing(own_run: Path, labelled: Path) -> None:
    before = {file: file.read_bytes() for file in own_run.rglob("*") if file.is_file()}
    done = calibrate(own_run, labelled, "--dry-run", "--method", "isotonic")
    assert "calibration: isotonic" in done.stdout
    assert "nothing was saved (--dry-run)" in done.stdout
    assert {file: file.read_bytes() for file in own_run.rglob("*") if file.is_file()} == before


def test_unreadable_images_are_named_and_trained_ones_left_out(own_run: Path, labelled: Path, tmp_path: Path) -> None:
    images = shutil.copytree(labelled, tmp_path / "images")
    (images / "human" / "text.jpg").write_text("no image")
    rows = [(f"images/human/{number:02}.png", "train" if number < 3 else "val") for number in range(6)]
    pd.DataFrame(rows, columns=["path", "split"]).to_csv(own_run / "manifest.csv", index=False)
    done = calibrate(own_run, images, code=1)
    assert "text.jpg: not an image artclf can read" in done.stderr
    assert "(3 more left out: they trained this model)" in done.stdout
    rule = rule_of(own_run)
    assert rule is not None
    assert (rule.n_human, rule.n_ai) == (17, 10)
    rows = [(f"images/{file.relative_to(images)}", "train") for file in images.rglob("*.png")]
    pd.DataFrame(rows, columns=["path", "split"]).to_csv(own_run / "manifest.csv", index=False)
    line = refusal("calibrate", own_run, "--images", images)
    assert "holds 0 human and 0 AI images that can be used (30 more trained this model)" in line


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("metrics.json", '{"data": ', "metrics.json: is no JSON"),
        ("manifest.csv", "", "manifest.csv: is empty; run the training again"),
        ("manifest.csv", "path,label\n", "manifest.csv: has no column split"),
    ],
)
def test_a_damaged_run_is_refused(own_run: Path, labelled: Path, file: str, content: str, message: str) -> None:
    """Images that trained the model would set its verdicts, and flatter."""
    (own_run / file).write_text(content)
    assert message in refusal("calibrate", own_run, "--images", labelled)
    assert rule_of(own_run) == EARLIER


@pytest.mark.parametrize("informative", [True, False])
def test_scores_decide_whether_there_is_one_threshold_or_a_warning(
    own_run: Path, labelled: Path, informative: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score_images(model: object, root: Path, rows: pd.DataFrame, *_: object) -> tuple[pd.DataFrame, pd.DataFrame]:
        number = rows["path"].map(lambda path: int(Path(path).stem))
        p_ai = (rows["label"] == "ai") * 0.7 + 0.1 + number / 200 if informative else number / 20
        return rows.assign(p_ai=p_ai), pd.DataFrame(columns=["path", "reason"])

    monkeypatch.setattr("artclf.inference.calibrate.score_images", score_images)
    done = calibrate(own_run, labelled, "--dry-run", "--false-positive-rate", "0.1", "--false-negative-rate", "0.2")
    assert ("one threshold meets both target rates: ai from" in done.stdout) is informative
    assert ("called human, 0 unsure" in done.stdout.split("by the rule")[0]) is informative
    assert ("may be no better than guessing" in done.stdout) is not informative


def test_too_few_images_are_refused(own_run: Path, tmp_path: Path) -> None:
    for number in range(6):
        draw(tmp_path / "few" / "human" / f"{number}.png", "human", number)
    draw(tmp_path / "few" / "ai" / "0.png", "ai", 0)
    message = "holds 6 human and 1 AI images that can be used; allowed: 5 of each at least"
    assert message in refusal("calibrate", own_run, "--images", tmp_path / "few")
    assert rule_of(own_run) == EARLIER


def test_what_was_guaranteed_is_compared_with_what_happened(own_run: Path, labelled: Path) -> None:
    write_decision_rule(own_run / "checkpoints" / "best.ckpt", replace(EARLIER, ai_from=0.0, human_below=0.0))
    done = calibrate(own_run, labelled)
    assert (
        "is broken by these images: human called ai: 20 of 20 (100.0%, 95% interval 83.2–100.0%), 4.8% at most" in done.stdout
    )
    assert "is not contradicted by these images: ai called human: 0 of 10" in done.stdout
    content = json.loads(next(own_run.glob("calibrate_*.json")).read_text())
    assert [row["broken"] for row in content["replaced_guarantees"]] == [True, False]
    assert [row["broken"] for row in content["guarantees"]] == [False, False]
