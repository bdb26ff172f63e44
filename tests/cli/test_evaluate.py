import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import artclf as package
from artclf.data.distortions import list_versions
from artclf.data.reader import ImageReader
from artclf.evaluation.calibration import fit_decision_rule
from artclf.evaluation.metrics import split_metrics
from artclf.inference.score import score_images
from artclf.model.checkpoint import load_classifier, write_decision_rule
from artclf.run_folder import run_lock
from tests.cli.conftest import SIZE, artclf, refusal
from tests.conftest import draw


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["artclf", "evaluate", "my run"])  # the command line, which reports show


def test_the_runs_own_test_images_and_a_handful_of_them_distorted(
    run: Path, pictures: Path, tmp_path: Path, no_report: list[Path]
) -> None:
    done = artclf("evaluate", run, "--robustness", "--sample", 4, "--seed", 2, "--reencoded")
    (folder,) = (tmp_path / "outputs" / "evaluate").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", folder.name)
    tables = {"groups.csv", "manifest.csv", "predictions.csv", "robustness.csv"}
    assert {path.name for path in folder.iterdir()} == {"audit.json", "metrics.json", "robustness.json", *tables}
    table = pd.read_csv(folder / "predictions.csv")
    assert dict(table["split"].value_counts()) == {"test": 12, "unseen": 4}
    checkpoint = run / "checkpoints" / "best.ckpt"
    pixels = torch.from_numpy(np.stack([ImageReader(SIZE, "bicubic").read(pictures / path) for path in table["path"]]))
    assert table["p_ai"].to_numpy() == pytest.approx(load_classifier(checkpoint).p_ai(pixels).numpy(), abs=1e-5)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(metrics["splits"]) == ["test", "unseen"]
    assert metrics["splits"]["test"] == split_metrics(table[table["split"] == "test"])
    found = metrics["evaluation"]
    assert found["checkpoint_sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (found["own_data"], found["left_out"], found["threshold"]) == (True, 36, 0.5)
    assert metrics["command"] == "artclf evaluate 'my run'"
    manifest = (folder / "manifest.csv").read_bytes()
    assert metrics["data"]["manifest_sha256"] == hashlib.sha256(manifest).hexdigest()
    assert hashlib.sha256((pictures / table["path"][0]).read_bytes()).hexdigest().encode() in manifest
    (fallback,) = metrics["fallbacks"]
    assert fallback.startswith("its checkpoint has no thresholds: scores are not calibrated")
    assert {"python", "artclf", "torch"} <= set(metrics["versions"])
    scores = pd.read_csv(folder / "robustness.csv")
    assert len(scores) == 4 * len(list_versions(reencoded=True))
    assert dict(scores.drop_duplicates("path")["label"].value_counts()) == {"human": 2, "ai": 2}
    clean = scores[(scores["distortion"] == "none") & (scores["first"] == "none")].set_index("path")["p_ai"]
    assert clean.to_numpy() == pytest.approx(table.set_index("path")["p_ai"][clean.index].to_numpy(), abs=1e-5)
    content = json.loads((folder / "robustness.json").read_text())
    assert (content["human"], content["ai"], content["seed"], content["image_size"]) == (2, 2, 2, SIZE)
    assert content["shorter_side"] == {"ai": 36, "human": 36}
    assert [each.absolute() for each in no_report] == [folder]
    artclf("report", folder)
    page = (folder / "report.html").read_text()
    assert f"page: outputs/evaluate/{folder.name}/report.html" in done.stdout
    assert f"artclf, evaluation of {run} on folder" in page
    assert found["checkpoint_sha256"] in page


def test_seen_and_unseen_sets_side_by_side(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished = shutil.copytree(run, tmp_path / "finished")
    own = pd.read_csv(finished / "manifest.csv").query("split != 'train'")
    own.assign(p_ai=np.where(own["label"] == "ai", 0.9, 0.1)).to_csv(finished / "predictions.csv", index=False)
    for number, name in enumerate(["a/museum", "b/museum"] * 9):
        for label in ("ai", "human"):
            draw(tmp_path / name / label / f"{number}.png", label, 700 + number)
    files = sorted(Path("a/museum/ai").iterdir())
    Path("listed.csv").write_text("path,label\n" + "".join(f"{file},ai\n" for file in files))  # no human image
    scored: list[str] = []

    def score_and_count(scorer: Any, root: Path, rows: pd.DataFrame, *rest: Any) -> Any:
        scored.extend(rows["path"])
        return score_images(scorer, root, rows, *rest)

    monkeypatch.setattr("artclf.inference.evaluate.score_images", score_and_count)
    monkeypatch.setattr("artclf.inference.assess.write_report", lambda folder: (folder / "report.html").touch())
    done = artclf("evaluate", finished, "a/museum", "b/museum", "listed.csv", "--to", "to")
    assert len(scored) == 36  # though nine of them are in two sets
    pages = {f"unseen.{suffix}" for suffix in ("csv", "html", "json", "png")}
    assert {file.name for file in Path("to").iterdir()} == {"a_museum", "b_museum", "listed", *pages}
    table = pd.read_csv("to/unseen.csv").set_index("name")
    seen, museum, listed = (table.loc[name] for name in ("the run's own test images", "a_museum", "listed"))
    assert table["images"].tolist() == ["seen", *["unseen"] * 3]
    assert (seen["ai"], seen["human"], seen["auroc"], seen["recall_at_1"]) == (8, 4, 1, 1)
    figures = split_metrics(pd.read_csv("to/a_museum/predictions.csv"))
    assert (museum["auroc"], museum["false_positive_rate"]) == (figures["auroc"], figures["false_positive_rate"])
    assert museum["auroc_gap"] == pytest.approx(figures["auroc"] - 1)
    assert museum["auroc_gap_low"] <= museum["auroc_gap"] < museum["auroc_gap_high"]
    assert np.isnan(listed["auroc"])
    assert listed["human"] == 0
    (gap,) = (line for line in done.stdout.splitlines() if line.startswith("AUROC "))
    page = Path("to/unseen.html").read_text()
    assert gap.replace("'", "&#39;") in page
    assert 'href="a_museum/report.html"' in page
    assert page.count("its checkpoint has no thresholds") == 1  # of all sets alike


@pytest.mark.usefixtures("no_report")
def test_without_the_runs_own_predictions_the_page_says_so(alone: Path, pictures: Path) -> None:
    done = artclf("evaluate", alone, pictures, "--to", "to")
    assert f"there is nothing to compare it with: {alone} lies in no run folder" in done.stdout
    assert Path("to/predictions.csv").exists()  # of one set alone there is no folder within


@pytest.fixture
def accusing(run: Path, tmp_path: Path) -> Path:
    """A run folder whose model calls every image ai, and guarantees that it does so of few human ones; its last stage lost."""
    folder = shutil.copytree(run, tmp_path / "accusing")
    rule = fit_decision_rule(np.arange(198) >= 99, np.linspace(0.01, 0.99, 198))
    shutil.copy(folder / "checkpoints" / "best.ckpt", folder / "checkpoints" / "all.ckpt")
    write_decision_rule(folder / "checkpoints" / "best.ckpt", replace(rule, ai_from=0.0, human_below=0.0))
    metrics = json.loads((folder / "metrics.json").read_text())
    stages = [{"name": "head", "score": 0.4, "best_epoch": 3, "checkpoint": "head.ckpt"}]
    stages += [{"name": "all", "score": 0.5, "best_epoch": 9, "checkpoint": "all.ckpt"}]
    metrics |= {"stages": stages, "best": {"stage": "head", "epoch": 3, "val/loss": 0.4}}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


@pytest.mark.parametrize("labels", [("ai", "human"), ("human",), ("ai",)])
def test_a_broken_guarantee_and_what_training_has_seen_are_said_first(
    accusing: Path, labels: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(12):
        for label in labels:
            draw(tmp_path / "museum" / label / ("gamma" if label == "ai" else "") / f"{number}.png", label, 500 + number)
    done = artclf("evaluate", accusing, "museum", "--to", "to")
    metrics = json.loads(Path("to/metrics.json").read_text())
    assert [(row["error"], row["broken"]) for row in metrics["guarantees"]] == [
        (f"{label} called {'human' if label == 'ai' else 'ai'}", label == "human") for label in sorted(labels, reverse=True)
    ]
    warned = "Guarantee broken on test: 12 of 12 human images (100.0%, 95% interval 73.5–100.0%) got the verdict ai"
    page = Path("to/report.html").read_text()
    accused, one_class = "human" in labels, len(labels) == 1
    assert [warned in caplog.text, warned in page] == [accused] * 2
    assert (warned in done.stdout) is accused
    assert ["There are no" in done.stdout, "There are no" in page] == [one_class] * 2
    assert ("are classified right" in page) is not one_class
    found = metrics["evaluation"]["generators"]
    assert found == {"seen": [], "unseen": ["gamma"] if "ai" in labels else [], "unknown": []}
    assert ("Training has seen no image of gamma." in done.stdout) is ("ai" in labels)


@pytest.mark.usefixtures("no_report")
def test_the_checkpoint_of_a_stage_is_not_taken_for_the_best_one(accusing: Path, caplog: pytest.LogCaptureFixture) -> None:
    artclf("evaluate", accusing / "checkpoints" / "all.ckpt", "--to", "to")
    assert "its checkpoint has no thresholds" in caplog.text
    metrics = json.loads(Path("to/metrics.json").read_text())
    assert metrics["best"] == {"stage": "all", "epoch": 9, "val/loss": 0.5}
    assert metrics["guarantees"] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--reencoded"], "--sample, --reencoded: take effect with --robustness alone"),
        (["--split", "train"], "--split train: allowed are splits of folder that"),
        (["nowhere"], "nowhere: does not exist"),
        (["broken", "--robustness"], "none of its 2 images can be read (first: "),
        (["half_broken", "--robustness"], "not one test image of half_broken can be scored"),
        (["--to", "full"], "--to full: is not empty; give a new folder"),
        (["full", "full"], "two of these would share a name; give each once"),
        (["--to", "taken"], "taken: another process is using this run folder"),
    ],
)
def test_what_can_not_be_done_is_one_line(run: Path, pictures: Path, words: list[str], message: str) -> None:
    Path("full").mkdir()
    Path("full/metrics.json").write_text("{}")
    for folder in ("broken", "half_broken/test"):
        for label in ("ai", "human"):
            Path(folder, label).mkdir(parents=True)
            Path(folder, label, "a.png").write_text("no image")
    shutil.copytree(pictures / "unseen", "half_broken/unseen")
    with run_lock(Path("taken")):  # as another evaluation of the same moment
        assert message in refusal("evaluate", run, *words)
    assert not Path("outputs").exists()
    assert Path("full/metrics.json").read_text() == "{}"


def test_version() -> None:
    assert artclf("version").stdout.strip() == package.__version__
