import json

import numpy as np
import pandas as pd
import pytest

from artclf.errors import ArtclfError
from artclf.evaluation.metrics import binary_metrics
from artclf.report.finished_runs import read_runs
from tests.report.conftest import write_run


def change(run, edit, file="predictions.csv"):
    edit(pd.read_csv(run / file)).to_csv(run / file, index=False)


def test_images_are_in_the_same_order_whatever_the_files_have(make_runs):
    runs = make_runs(("model=a", 0), ("model=b", 0))
    change(runs[1], lambda table: table[table["split"] == "test"].iloc[::-1])
    one, other = read_runs(runs)
    assert list(one.images.index) == list(other.images.index) == sorted(one.images.index)
    assert (one.is_ai == other.is_ai).all()
    test = pd.read_csv(runs[1] / "predictions.csv")
    expected = binary_metrics((test["label"] == "ai").to_numpy(), test["p_ai"].to_numpy())
    assert other.figures["auroc"] == pytest.approx(expected["auroc"])


def test_other_images_labels_and_contents_are_all_named_at_once(make_runs):
    runs = make_runs(*[(f"model={name}", 0) for name in "abcde"])
    paths = list(read_runs(runs)[0].images.index)
    renamed = {"path": {paths[0]: "new.png"}}
    change(runs[1], lambda table: table[~table["path"].isin(paths[1:6])].replace(renamed))
    change(runs[2], lambda table: table.assign(label=table["label"].where(table["path"] != paths[-1], "ai")))
    for run, content in zip(runs[:4], ("0" * 64, "0" * 64, "0" * 64, "1" * 64), strict=True):  # as if all files were one
        change(run, lambda table, content=content: table.assign(sha256=content), "manifest.csv")
    with pytest.raises(ArtclfError, match="tested on different images") as error:
        read_runs(runs)
    _, fewer, label, content = str(error.value).splitlines()  # of the last run, no content is known
    assert fewer == f"{runs[1]} against {runs[0]}: 1 image more (first: new.png), 6 images fewer (first: {paths[0]})"
    assert label == f"{runs[2]} against {runs[0]}: 1 image with another label (first: {paths[-1]})"
    assert content.startswith(f"{runs[3]} against {runs[0]}: 118 images with other content (first: {paths[0]})")


def test_runs_are_named_from_the_folder_that_holds_all(tmp_path):
    folders = [tmp_path / sweep / run for sweep in ("x", "y") for run in ("0", "1")]
    for folder in folders:
        write_run(folder)
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
        (lambda table: table[table["split"] == "val"], "holds no image of the split test"),
        (lambda table: table.drop(columns="p_ai"), "has no column p_ai"),
    ],
)
def test_odd_predictions_are_refused(make_runs, edit, reported):
    (run,) = make_runs(("model=a", 0))
    change(run, edit)
    with pytest.raises(ArtclfError, match=rf"predictions\.csv: .*{reported}"):
        read_runs([run])


def test_a_run_without_predictions_or_metrics_is_refused(make_runs):
    (run,) = make_runs(("model=a", 0))
    (run / "predictions.csv").unlink()
    with pytest.raises(ArtclfError, match=r"0: no predictions\.csv"):
        read_runs([run])
    (run / "metrics.json").write_text(json.dumps([]))
    with pytest.raises(ArtclfError, match="is not what artclf writes"):
        read_runs([run])
