"""Thresholds by source: scores of heads that have not seen a source, and what a run records of them."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from artclf.evaluation.calibration import fit_decision_rule
from artclf.evaluation.decision import DecisionRule, truth
from artclf.model.checkpoint import read_decision_rule
from artclf.model.rows import SHARES
from artclf.training.held_out import _folds, _names
from tests.conftest import FAST, Outcome, draw

pytestmark = pytest.mark.filterwarnings("default")  # libraries warn each other


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV file of 132 pictures from three sources and a fourth of six, with two families of generators."""
    root, rows = tmp_path_factory.mktemp("sources"), []
    for source, number in (("museum", 24), ("scans", 22), ("site", 26), ("few", 3)):
        for label in ("ai", "human"):
            for i in range(number):
                path, generator = f"{source}/{label}/{i}.png", f"{'old' if i < 11 else 'new'}/v{i % 2}" if label == "ai" else ""
                draw(root / path, label, len(rows))
                rows.append((path, label, generator, source, "test" if i < 2 else ""))
    file = root / "pictures.csv"
    pd.DataFrame(rows, columns=["path", "label", "generator", "source", "split"]).to_csv(file, index=False)
    return file


def pictures_without_source(table: Path, folder: Path) -> Path:
    file = folder / "pictures.csv"
    images = pd.read_csv(table, keep_default_na=False).drop(columns="source")
    images.assign(path=[str(table.parent / path) for path in images["path"]]).to_csv(file, index=False)
    return file


def words(table: Path, run: Path, *more: str) -> list[str]:
    return [*FAST, "data=csv", f"data.csv={table}", "stages.head.max_epochs=3", f"hydra.run.dir={run}", *more]


def test_by_source_is_the_default_where_there_are_three(train: Callable[..., Outcome], table: Path, tmp_path: Path) -> None:
    done = train(*words(table, tmp_path / "run", "report=true"))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    rule = DecisionRule.from_json(metrics["decision_rule"])
    sources = [(group.label, group.group, group.n) for group in rule.held_out]
    names = {"museum": 22, "scans": 20, "site": 24}
    assert sources == [(label, name, number) for label in ("ai", "human") for name, number in names.items()]
    assert rule.ai_from >= rule.human_below
    # the second strictest of three, and the own thresholds of three: the twelfth highest of 24 scores, or less
    assert rule.false_positives.guaranteed_rate == pytest.approx(2 / 4 + 12 / 25)
    assert metrics["decision_rule"]["held_out_rates"]["human"]["worst"]["group"] in names
    assert read_decision_rule(tmp_path / "run" / "checkpoints" / "best.ckpt") == rule
    assert done.lines("for an image of a new one")
    assert done.lines("3 held-out")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "The first rests on 3 sources, the second on 3 sources." in page

    train(*words(table, tmp_path / "none", "calibration.by=none"))
    today = pd.read_csv(tmp_path / "none" / "predictions.csv")
    assert today["p_ai"].equals(pd.read_csv(tmp_path / "run" / "predictions.csv")["p_ai"])
    fitted = fit_decision_rule(*truth(today[today["split"] == "val"]), false_positive_rate=0.5, false_negative_rate=0.5)
    assert read_decision_rule(tmp_path / "none" / "checkpoints" / "best.ckpt") == fitted


def test_families_of_generators_are_left_out_as_one(table: Path) -> None:
    images = pd.read_csv(table, keep_default_na=False).assign(split="train")
    names = _names(images, "generator")
    assert names[images["label"] == "human"].unique() == [""]
    assert set(names[images["label"] == "ai"]) == {"old", "new"}
    assert set(_names(images, "source")) == {"museum", "scans", "site", ""}
    assert set(_names(images.drop(columns="source"), "source")) == {""}


@pytest.mark.parametrize(("ai", "heads"), [((0, 10), 20), ((0, 1), 10)])
def test_more_sources_than_heads_are_left_out_together_unless_that_takes_all_of_a_class(ai: tuple[int], heads: int) -> None:
    groups = pd.Series([f"{number:02}" for number in range(20)] * 20)
    folds = _folds(groups, groups.isin([f"{number:02}" for number in ai]))
    assert len(folds) == heads
    assert sorted(name for fold in folds for name in fold) == sorted(groups.unique())


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["stages.head.unfreeze=1"], "stage head trains layers of the body, which sees every source"),
        (["cache.prefix=false"], "cache.prefix=false keeps no outputs of the frozen body"),
        (["cache.max_gb=1e-9", "cache.pixels=false"], "no cached outputs of the body"),
    ],
)
def test_without_a_frozen_and_cached_body_it_falls_back_in_the_record(
    train: Callable[..., Outcome], table: Path, tmp_path: Path, more: list[str], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTCLF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(SHARES, "host", 0)  # no room in memory either
    train(*words(table, tmp_path / "run", "stages.head.max_epochs=1", *more))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    wanted = f"thresholds hold for images like validation's, not for a new source: {line}"
    assert [found for found in metrics["fallbacks"] if found.startswith(wanted)]
    assert "held_out" not in metrics["decision_rule"]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["calibration.by=source", "stages.head.unfreeze=1"], "calibration.by=source: stage head trains layers"),
        (["calibration.by=generator", "cache.prefix=false"], "calibration.by=generator: cache.prefix=false keeps"),
        (["calibration.by=source"], "calibration.by=source: got 0 sources with 20 human images or more"),
    ],
)
def test_what_is_asked_for_and_impossible_is_refused(
    train: Callable[..., Outcome], table: Path, tmp_path: Path, more: list[str], line: str
) -> None:
    file = pictures_without_source(table, tmp_path) if "got 0" in line else table
    done = train(*words(file, tmp_path / "run", *more), code=2)
    assert done.lines(line)
