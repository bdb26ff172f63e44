import base64
import json
import re
import shutil
from html.parser import HTMLParser
from urllib.parse import unquote

import pandas as pd
import pytest
from PIL import Image
from scipy.stats import binomtest

from artclf.errors import ArtclfError
from artclf.report.comparison_page import compare_runs, write_comparison

COLUMNS = [
    "run",
    "differs",
    "seed",
    "accuracy",
    "balanced_accuracy",
    "auroc",
    "false_positive_rate",
    "false_negative_rate",
    "false_positives",
    "false_negatives",
    "parameters",
    "seconds",
    "status",
]


class Page(HTMLParser):
    def __init__(self, html: str):
        super().__init__()
        self.text, self.links, self.pictures, self.tags = "", [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        found = dict(attrs)
        if tag == "img":
            self.pictures.append(found["src"])
        elif "href" in found:
            self.links.append(found["href"])

    def handle_data(self, data):
        self.text += re.sub(r"\s+", " ", data)


def test_table_picture_and_page(make_runs, tmp_path):
    runs = make_runs(("model=resnet50 +finetune=last10", 0), ("model=efficientnet_b0 +finetune=last10", 0))
    (runs[1] / "report.html").write_text("a report")
    table = write_comparison(tmp_path, runs)
    assert list(table.columns) == COLUMNS
    assert list(table["run"]) == ["1", "0"]  # the best first
    assert list(table["differs"]) == ["model=efficientnet_b0", "model=resnet50"]
    assert table["balanced_accuracy"].is_monotonic_decreasing
    assert list(table["status"]) == ["finished", "finished"]
    written = pd.read_csv(tmp_path / "comparison.csv", dtype={"run": str, "seed": str})
    pd.testing.assert_frame_equal(written, table, check_dtype=False)

    page = Page((tmp_path / "comparison.html").read_text(encoding="utf-8"))
    names = ["comparison.png", *(f"comparison_{name}.png" for name in ("differences", "confusion", "roc", "loss"))]
    assert [base64.b64decode(source.removeprefix("data:image/png;base64,")) for source in page.pictures] == [
        (tmp_path / name).read_bytes() for name in names
    ]
    for name in names:
        with Image.open(tmp_path / name) as image:
            image.load()
    assert page.links == ["1/report.html"]  # only that run has one
    for value in table["balanced_accuracy"]:
        assert f"{value:.1%}" in page.text
    assert "2 runs on the same 118 test pictures" in page.text
    assert "Settings, over seeds" not in page.text
    assert "script" not in page.tags


def test_seeds_of_a_setting_are_averaged(make_runs, tmp_path):
    table = write_comparison(tmp_path, make_runs(*[(f"model={name}", seed) for seed in (0, 1) for name in ("a", "b")]))
    assert set(table["differs"]) == {"model=a", "model=b"}
    text = Page((tmp_path / "comparison.html").read_text(encoding="utf-8")).text
    for name in ("a", "b"):
        values = 100 * table.loc[table["differs"] == f"model={name}", "accuracy"]
        assert f"{values.mean():.1f} ± {values.std():.1f}%" in text
        auroc = table.loc[table["differs"] == f"model={name}", "auroc"]
        assert f"{auroc.mean():.3f} ± {auroc.std():.3f}" in text


def test_what_concerns_hydra_or_all_runs_does_not_differ(make_runs, tmp_path):
    runs = make_runs(("model=a hydra.run.dir=x ~logger head=mlp", 0), ("model=b hydra.run.dir=y ~logger head=mlp", 0))
    assert set(compare_runs(tmp_path, runs).table["differs"]) == {"model=a", "model=b"}


def test_failed_runs_are_listed_not_compared(make_runs, tmp_path):
    failed = {"2": "CUDA out of <b>memory</b>", "3": "two\nlines"}
    table = write_comparison(tmp_path, make_runs(("model=a", 0), ("model=b", 0)), failed)
    assert list(table["run"][2:]) == ["2", "3"]
    assert list(table["status"][2:]) == ["failed: CUDA out of <b>memory</b>", "failed: two\nlines"]
    assert table.loc[2:, "accuracy"].isna().all()
    page = Page((tmp_path / "comparison.html").read_text(encoding="utf-8"))
    assert "2 runs failed" in page.text
    assert "2: CUDA out of <b>memory</b>" in page.text
    assert list(pd.read_csv(tmp_path / "comparison.csv")["status"]) == list(table["status"])


def test_one_run_is_enough(make_runs, tmp_path):
    table = write_comparison(tmp_path, make_runs(("model=a", 0)), {"1": "stopped"})
    assert len(table) == 2
    assert (tmp_path / "comparison.png").exists()
    page = Page((tmp_path / "comparison.html").read_text(encoding="utf-8"))
    assert len(page.pictures) == 4  # no differences
    assert "Is the difference real?" not in page.text
    assert json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))["pairs"] == []


def test_no_finished_run_is_an_error_with_the_reasons(tmp_path):
    with pytest.raises(ArtclfError, match=r"no run finished.*\n0: no GPU"):
        write_comparison(tmp_path, [], {"0": "no GPU"})
    assert not list(tmp_path.iterdir())


def test_other_test_pictures_leave_nothing_behind(make_runs, tmp_path):
    runs = make_runs(("model=a", 0), ("model=b", 0))
    table = pd.read_csv(runs[1] / "predictions.csv")
    table.drop(index=table.index[table["split"] == "test"][-1]).to_csv(runs[1] / "predictions.csv", index=False)
    with pytest.raises(ArtclfError, match="tested on different pictures"):
        write_comparison(tmp_path / "to", runs)
    assert not (tmp_path / "to").exists()


def test_the_tests_are_there_to_be_read_by_machines(make_runs, tmp_path):
    write_comparison(tmp_path, make_runs(("model=a", 0), ("model=b", 0), ("model=c", 0)), {"3": "stopped"})
    content = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert content["test_pictures"] == {"n": 118, "ai": 78, "human": 40}
    assert content["failed"] == {"3": "stopped"}
    table = pd.read_csv(tmp_path / "comparison.csv", dtype={"run": str})
    assert [run["run"] for run in content["runs"]] == list(table["run"][:3])
    assert [(pair["first"], pair["second"]) for pair in content["pairs"]] == [("2", "1"), ("2", "0")]
    assert content["method"]["tests"] == 3  # the two told of, and the one that was passed over
    figures = table.set_index("run")
    for pair in content["pairs"]:
        assert pair["n"] == 118
        assert pair["p"] == pytest.approx(
            binomtest(pair["only_first_right"], pair["only_first_right"] + pair["only_second_right"]).pvalue
        )
        assert pair["p"] <= pair["p_corrected"] <= 1
        for name in ("accuracy", "balanced_accuracy", "auroc", "false_positive_rate", "false_negative_rate"):
            interval = pair["differences"][name]
            gap = figures.loc[pair["first"], name] - figures.loc[pair["second"], name]
            assert interval["difference"] == pytest.approx(gap)
            assert interval["low"] <= interval["difference"] <= interval["high"]
        accuracy = pair["differences"]["accuracy"]["difference"]
        assert accuracy == pytest.approx((pair["only_first_right"] - pair["only_second_right"]) / 118)


def test_the_errors_are_counted(make_runs, tmp_path):
    table = compare_runs(tmp_path, make_runs(("model=a", 0), ("model=b", 0))).table
    assert list(table["false_positives"]) == [round(rate * 40) for rate in table["false_positive_rate"]]
    assert list(table["false_negatives"]) == [round(rate * 78) for rate in table["false_negative_rate"]]


def test_a_run_and_its_copy_are_not_told_apart(make_runs, tmp_path):
    (run,) = make_runs(("model=a", 0))
    shutil.copytree(run, tmp_path / "copy")
    write_comparison(tmp_path / "to", [run, tmp_path / "copy"])
    (pair,) = json.loads((tmp_path / "to" / "comparison.json").read_text(encoding="utf-8"))["pairs"]
    assert (pair["p"], pair["larger_than_chance"]) == (1.0, False)
    for interval in pair["differences"].values():
        assert interval["low"] < interval["difference"] == 0 < interval["high"]


def test_of_very_many_runs_the_best_are_drawn(make_runs, tmp_path, monkeypatch):
    monkeypatch.setattr("artclf.report.comparison_page.SHOWN", 2)
    table = write_comparison(tmp_path, make_runs(("model=a", 0), ("model=b", 0), ("model=c", 0)))
    assert len(table) == 3
    text = Page((tmp_path / "comparison.html").read_text(encoding="utf-8")).text
    assert "the 2 best of 3 runs" in text
    first, second = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))["pairs"]
    assert first["differences"]
    assert not second["differences"]
    assert second["p"] < 1


def test_a_test_set_of_one_class_is_compared_as_far_as_it_goes(make_runs, tmp_path):
    runs = make_runs(("model=a", 0), ("model=b", 0))
    for run in runs:
        table = pd.read_csv(run / "predictions.csv")
        table[(table["split"] == "test") & (table["label"] == "ai")].to_csv(run / "predictions.csv", index=False)
    table = write_comparison(tmp_path, runs)
    assert table["accuracy"].is_monotonic_decreasing
    assert table["auroc"].isna().all()
    assert not (tmp_path / "comparison_roc.png").exists()
    (pair,) = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))["pairs"]
    assert pair["differences"]["auroc"] == {"difference": None, "low": None, "high": None}


def test_a_run_without_curves_or_figures_is_shown_with_dashes(make_runs, tmp_path):
    (run,) = make_runs(("model=a", 0))
    (run / "metrics.csv").unlink()
    (run / "metrics.json").write_text('{"command": "python train.py model=a"}')
    table = write_comparison(tmp_path, [run])
    assert table[["parameters", "seconds"]].isna().all(axis=None)
    assert not (tmp_path / "comparison_loss.png").exists()
    assert "–" in Page((tmp_path / "comparison.html").read_text(encoding="utf-8")).text


def test_links_lead_to_runs_with_odd_names_elsewhere(make_runs, tmp_path):
    (run,) = make_runs(("model=a", 0))
    odd = tmp_path / "elsewhere" / "a b#1%?<i>"
    odd.parent.mkdir()
    shutil.move(run, odd)
    (odd / "report.html").write_text("a report")
    write_comparison(tmp_path / "comparison", [odd])
    (link,) = Page((tmp_path / "comparison" / "comparison.html").read_text(encoding="utf-8")).links
    assert not {"#", "?", " "} & set(link)
    assert (tmp_path / "comparison" / unquote(link)).resolve() == (odd / "report.html").resolve()
