import base64
import json
import re
import shutil
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from artclf.errors import ArtclfError
from artclf.report.comparison_page import read_runs, write_comparison
from tests.report.conftest import bare_run

COLUMNS = (
    "run differs seed accuracy balanced_accuracy auroc false_positive_rate false_negative_rate false_positives false_negatives "
    "parameters seconds status"
)


def compared(folder, runs, failed=None):
    """comparison.csv."""
    write_comparison(folder, runs, failed)
    return pd.read_csv(folder / "comparison.csv", dtype={"run": str, "seed": str})


def page_of(folder):
    return (folder / "comparison.html").read_text(encoding="utf-8")


def json_of(folder):
    return json.loads((folder / "comparison.json").read_text(encoding="utf-8"))


def test_page_tables_and_figures(make_runs, tmp_path):
    runs = make_runs(*[(f"model={name} +finetune=last10 ~logger hydra.run.dir={name}", 0) for name in "abc"])
    (runs[1] / "report.html").write_text("a report")
    table = compared(tmp_path, runs, {"3": "CUDA out of <b>memory</b>", "4": "two\nlines"})
    assert list(table.columns) == COLUMNS.split()
    assert list(table["run"]) == ["2", "1", "0", "3", "4"]  # the best first
    assert list(table["differs"][:3]) == ["model=c", "model=b", "model=a"]
    assert list(table["status"]) == ["finished"] * 3 + ["failed: CUDA out of <b>memory</b>", "failed: two\nlines"]
    assert list(table["false_positives"][:3]) == [round(rate * 40) for rate in table["false_positive_rate"][:3]]

    page = page_of(tmp_path)
    names = ["comparison.png", *(f"comparison_{name}.png" for name in ("differences", "roc", "loss"))]
    embedded = re.findall(r'<img src="data:image/png;base64,([^"]*)"', page)
    assert [base64.b64decode(data) for data in embedded] == [(tmp_path / name).read_bytes() for name in names]
    assert re.findall(r'href="([^"]*)"', page) == ["1/report.html"]  # only that run has one
    for expected in (
        "3 runs on the same 118 test images",
        "Run 2 (model=c) has the best balanced accuracy",
        "2 runs failed",
        "3: CUDA out of &lt;b&gt;memory&lt;/b&gt;",
    ):
        assert expected in page
    assert "Settings, over seeds" not in page
    assert "<script" not in page

    content = json_of(tmp_path)
    assert content["test_pictures"] == {"n": 118, "ai": 78, "human": 40}
    assert [run["run"] for run in content["runs"]] == ["2", "1", "0"]
    assert [(pair["first"], pair["second"]) for pair in content["pairs"]] == [("2", "1"), ("2", "0")]
    assert content["method"]["tests"] == 3  # of 1 and 0 too
    figures = table.set_index("run")
    for pair in content["pairs"]:
        only_first, only_second = pair["only_first_right"], pair["only_second_right"]
        assert pair["p"] == pytest.approx(binomtest(only_first, only_first + only_second).pvalue)
        for name, interval in pair["differences"].items():
            assert interval["difference"] == pytest.approx(figures.loc[pair["first"], name] - figures.loc[pair["second"], name])


def test_seeds_of_a_setting_are_averaged_and_not_ranked(make_runs, tmp_path):
    table = compared(tmp_path, make_runs(*[(f"model={name}", seed) for seed in (0, 1) for name in ("a", "b")]))
    page = page_of(tmp_path)
    for name in ("a", "b"):
        values = table[table["differs"] == f"model={name}"]
        assert f"{values['accuracy'].mean():.1%} ± {100 * values['accuracy'].std():.1f}" in page
        assert f"{values['auroc'].mean():.3f} ± {values['auroc'].std():.3f}" in page
    other = table.loc[table["differs"] == table["differs"][0], "run"].iloc[1]
    assert f"It has the same setting as run {other} and another seed" in page
    assert "seeds of one setting differ by up to" in page


def test_what_is_beyond_chance_is_described(tmp_path):
    wrong = {"a": (0, 20), "b": (480, 503), "c": (300, 400), "d": (600, 720)}
    runs = [bare_run(tmp_path / name, where) for name, where in wrong.items()]
    two, four = write_comparison(tmp_path / "two", runs[:2]), write_comparison(tmp_path / "four", runs)
    assert two.standings == [
        "Run a (model=a) has the best balanced accuracy: 98.0%; it calls 4.0% of the human images AI.",
        # of 43 images, 15 and 28 are not told apart (p = 0.066), 14 and 29 are (p = 0.032)
        "The difference from run b could be chance (McNemar's exact test: p ≥ 0.761). With 1,000 images, a difference in "
        "accuracy shows from 1.5 points on.",
    ]
    assert "these 1,000 images and these trained weights" in two.cautions[0]
    test = "McNemar's exact test, Holm-corrected for 6 pairs"
    assert four.standings[1] == f"It is right more often than runs c, d, by more than chance explains ({test})."
    assert four.standings[2].startswith(f"The difference from run b could be chance ({test}")
    assert four.cautions[1].startswith("Run a was chosen as the best of 4 on these very images")
    uneven = [bare_run(tmp_path / name, where, humans=100) for name, where in (("A", (100, 220)), ("B", (0, 60)))]
    behind = write_comparison(tmp_path / "uneven", uneven).standings[1]
    assert behind.startswith("It is right less often than run B, by more than chance explains")


def test_one_run_is_enough_even_without_curves_or_metrics(make_runs, tmp_path):
    (run,) = make_runs(("model=a", 0))
    (run / "metrics.csv").unlink()
    (run / "metrics.json").write_text('{"command": "python train.py model=a"}')
    table = compared(tmp_path, [run], {"1": "stopped"})
    assert len(table) == 2
    assert table[["parameters", "seconds"]].isna().all(axis=None)
    assert {path.stem for path in tmp_path.glob("*.png")} == {"comparison", "comparison_roc"}
    assert "Is the difference real?" not in page_of(tmp_path)
    assert json_of(tmp_path)["pairs"] == []


def test_what_can_not_be_compared_leaves_nothing_behind(make_runs, tmp_path):
    with pytest.raises(ArtclfError, match=r"no run finished.*\n0: no GPU"):
        write_comparison(tmp_path / "to", [], {"0": "no GPU"})
    runs = make_runs(("model=a", 0), ("model=b", 0))
    table = pd.read_csv(runs[1] / "predictions.csv")
    table.drop(index=table.index[table["split"] == "test"][-1]).to_csv(runs[1] / "predictions.csv", index=False)
    with pytest.raises(ArtclfError, match="tested on different images"):
        write_comparison(tmp_path / "to", runs)
    assert not (tmp_path / "to").exists()


def test_a_run_and_its_copy_elsewhere_do_not_differ(make_runs, tmp_path):
    (run,) = make_runs(("model=a", 0))
    copy = tmp_path / "elsewhere" / "a b#1%?<i>"
    shutil.copytree(run, copy)
    (copy / "report.html").write_text("a report")
    metrics = json.loads((copy / "metrics.json").read_text())
    metrics["data"]["root"] = "another/<folder>"
    (copy / "metrics.json").write_text(json.dumps(metrics))
    write_comparison(tmp_path / "to", [run, copy])
    content, page = json_of(tmp_path / "to"), page_of(tmp_path / "to")
    (pair,) = content["pairs"]
    assert (pair["p"], pair["larger_than_chance"]) == (1.0, False)
    for interval in pair["differences"].values():
        assert interval["low"] < interval["difference"] == 0 < interval["high"]
    assert content["cautions"][-1].startswith("The runs read their images from different folders (data/art, another/<folder>)")
    (link,) = re.findall(r'href="([^"]*)"', page)
    assert not {"#", "?", " "} & set(link)
    assert (tmp_path / "to" / unquote(link)).resolve() == (copy / "report.html").resolve()
    assert "<i>" not in page
    assert "<folder>" not in page


def test_of_many_runs_the_best_are_drawn_and_one_class_alone_has_no_auroc(make_runs, tmp_path, monkeypatch):
    monkeypatch.setattr("artclf.report.comparison_page.SHOWN", 2)
    runs = make_runs(("model=a", 0), ("model=b", 0), ("model=c", 0))
    for run in runs:
        table = pd.read_csv(run / "predictions.csv")
        table[(table["split"] == "test") & (table["label"] == "ai")].to_csv(run / "predictions.csv", index=False)
    table = compared(tmp_path, runs)
    assert len(table) == 3
    assert table["auroc"].isna().all()
    assert not (tmp_path / "comparison_roc.png").exists()
    assert "the 2 best of 3 runs" in page_of(tmp_path)
    first, second = json_of(tmp_path)["pairs"]
    assert first["differences"]["auroc"] == {"difference": None, "low": None, "high": None}
    assert not second["differences"]


def change(run, edit, file="predictions.csv"):
    edit(pd.read_csv(run / file)).to_csv(run / file, index=False)


@pytest.fixture
def bare_runs(tmp_path):
    return [bare_run(tmp_path / name, (0, 20)) for name in "abcde"]


def test_other_images_labels_and_contents_are_all_named_at_once(bare_runs):
    change(bare_runs[4], lambda table: table.iloc[::-1])  # another order is no difference
    paths = list(read_runs([bare_runs[0], bare_runs[4]])[1].images.index)
    assert paths == sorted(paths)
    renamed = {"path": {paths[0]: "new.png"}}
    change(bare_runs[1], lambda table: table[~table["path"].isin(paths[1:6])].replace(renamed))
    change(bare_runs[2], lambda table: table.assign(label=table["label"].where(table["path"] != paths[0], "ai")))
    for run, content in zip(bare_runs[:4], ("0" * 64, "0" * 64, "0" * 64, "1" * 64), strict=True):  # as if all files were one
        pd.DataFrame({"path": paths, "sha256": content}).to_csv(run / "manifest.csv", index=False)
    with pytest.raises(ArtclfError, match="tested on different images") as error:
        read_runs(bare_runs)
    _, fewer, label, content = str(error.value).splitlines()  # of the last run, no content is known
    assert fewer == f"{bare_runs[1]} against {bare_runs[0]}: 1 image more (first: new.png), 6 images fewer (first: {paths[0]})"
    assert label == f"{bare_runs[2]} against {bare_runs[0]}: 1 image with another label (first: {paths[0]})"
    assert content.startswith(f"{bare_runs[3]} against {bare_runs[0]}: 1,000 images with other content (first: {paths[0]})")


def test_runs_are_named_from_the_folder_that_holds_all(tmp_path):
    folders = [tmp_path / sweep / run for sweep in ("x", "y") for run in ("0", "1")]
    for folder in folders:
        bare_run(folder, (0, 20))
    assert [run.name for run in read_runs(folders[:1])] == ["0"]
    assert [run.name for run in read_runs(folders[:2])] == ["0", "1"]
    assert [run.name for run in read_runs(folders)] == ["x/0", "x/1", "y/0", "y/1"]


@pytest.mark.parametrize(
    ("edit", "reported"),
    [
        (lambda table: table.assign(p_ai=table["p_ai"].where(table.index != 70, np.nan)), "p_ai nan"),
        (lambda table: table.assign(p_ai=1.5), "p_ai 1.5"),
        (lambda table: table.assign(label="art"), "label 'art'"),
        (lambda table: pd.concat([table, table]), "each image stands there once"),
        (lambda table: table.assign(split="val"), "holds no image of the split test"),
        (lambda table: table.drop(columns="p_ai"), "has no column p_ai"),
    ],
)
def test_odd_predictions_are_refused(tmp_path, edit, reported):
    run = bare_run(tmp_path / "0", (0, 20))
    change(run, edit)
    with pytest.raises(ArtclfError, match=rf"predictions\.csv: .*{reported}"):
        read_runs([run])


def test_a_run_without_predictions_or_metrics_is_refused(tmp_path):
    run = bare_run(tmp_path / "0", (0, 20))
    (run / "predictions.csv").unlink()
    with pytest.raises(ArtclfError, match=r"0: no predictions\.csv"):
        read_runs([run])
    (run / "metrics.json").write_text("[]")
    with pytest.raises(ArtclfError, match="is not what artclf writes"):
        read_runs([run])
