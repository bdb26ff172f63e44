import base64
import re
import shutil
from html.parser import HTMLParser
from io import BytesIO
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artclf.errors import ArtclfError
from artclf.report.comparison import write_comparison

COLUMNS = [
    "run",
    "differs",
    "seed",
    "accuracy",
    "balanced_accuracy",
    "auroc",
    "false_positive_rate",
    "false_negative_rate",
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


@pytest.fixture
def make_runs(make_run, make_predictions, tmp_path):
    """Runs on the same test pictures, the later the better: each (overrides, seed)."""

    def make(*specs):
        runs = []
        for number, (overrides, seed) in enumerate(specs):
            table = make_predictions(0)
            logit = np.log(table["p_ai"] / (1 - table["p_ai"]))
            table["p_ai"] = 1 / (1 + np.exp(-(logit + 1.2 * number - 3)))
            runs.append(make_run(tmp_path / str(number), predicted=table, overrides=overrides, seed=seed))
        return runs

    return make


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
    (source,) = page.pictures
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")) == (tmp_path / "comparison.png").read_bytes()
    with Image.open(BytesIO((tmp_path / "comparison.png").read_bytes())) as image:
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
    assert set(write_comparison(tmp_path, runs)["differs"]) == {"model=a", "model=b"}


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


def test_no_finished_run_is_an_error_with_the_reasons(tmp_path):
    with pytest.raises(ArtclfError, match=r"no run finished.*\n0: no GPU"):
        write_comparison(tmp_path, [], {"0": "no GPU"})
    assert not list(tmp_path.iterdir())


def test_other_test_pictures_are_refused_by_name(make_runs, tmp_path):
    runs = make_runs(("model=a", 0), ("model=b", 0), ("model=c", 0))
    table = pd.read_csv(runs[1] / "predictions.csv")
    last_test = table.index[table["split"] == "test"][-1]
    table.drop(index=last_test).to_csv(runs[1] / "predictions.csv", index=False)
    with pytest.raises(ArtclfError, match="tested on different pictures") as error:
        write_comparison(tmp_path, runs)
    assert f"118 test pictures: {runs[0]}, {runs[2]}" in str(error.value)
    assert f"117 test pictures: {runs[1]}" in str(error.value)
    assert not (tmp_path / "comparison.csv").exists()


def test_another_label_is_another_test_set(make_runs, tmp_path):
    runs = make_runs(("model=a", 0), ("model=b", 0))
    table = pd.read_csv(runs[1] / "predictions.csv")
    table.loc[table["split"] == "test", "label"] = "ai"
    table.to_csv(runs[1] / "predictions.csv", index=False)
    with pytest.raises(ArtclfError, match="different pictures"):
        write_comparison(tmp_path, runs)


def test_order_of_rows_and_other_splits_do_not_matter(make_runs, tmp_path):
    runs = make_runs(("model=a", 0), ("model=b", 0))
    table = pd.read_csv(runs[1] / "predictions.csv")
    table[table["split"] == "test"].iloc[::-1].to_csv(runs[1] / "predictions.csv", index=False)
    assert len(write_comparison(tmp_path, runs)) == 2


def test_a_run_without_predictions_is_refused(make_runs, tmp_path):
    runs = make_runs(("model=a", 0), ("model=b", 0))
    (runs[1] / "predictions.csv").unlink()
    with pytest.raises(ArtclfError, match=r"1: no predictions\.csv"):
        write_comparison(tmp_path, runs)


def test_a_run_without_curves_or_figures_is_shown_with_dashes(make_runs, tmp_path):
    (run,) = make_runs(("model=a", 0))
    (run / "metrics.csv").unlink()
    (run / "metrics.json").write_text('{"command": "python train.py model=a"}')
    table = write_comparison(tmp_path, [run])
    assert table[["accuracy", "auroc", "parameters"]].isna().all(axis=None)
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
