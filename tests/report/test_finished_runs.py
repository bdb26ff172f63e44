import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artclf.errors import ArtclfError
from artclf.report.finished_runs import other_folders, read_judged


def change(run, edit):
    table = pd.read_csv(run / "predictions.csv")
    edit(table).to_csv(run / "predictions.csv", index=False)


def give_root(run, root):
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["data"]["root"] = str(root)
    (run / "metrics.json").write_text(json.dumps(metrics))


def test_pictures_are_in_the_same_order_whatever_the_files_have(make_runs, tmp_path):
    runs = make_runs(("model=a", 0), ("model=b", 0))
    change(runs[1], lambda table: table[table["split"] == "test"].iloc[::-1])
    one, other = read_judged(runs, tmp_path)
    assert list(one.paths) == list(other.paths) == sorted(one.paths)
    assert (one.is_ai == other.is_ai).all()
    assert one.is_ai.sum() == 78
    metrics = json.loads((runs[1] / "metrics.json").read_text())["splits"]["test"]
    assert other.figures["auroc"] == pytest.approx(metrics["auroc"])
    assert other.figures["confusion"] == metrics["confusion"]
    assert other.right.mean() == pytest.approx(metrics["accuracy"])


def test_fewer_and_more_pictures_are_named(make_runs, tmp_path):
    runs = make_runs(("model=a", 0), ("model=b", 0), ("model=c", 0))
    gone = pd.read_csv(runs[1] / "predictions.csv").query("split == 'test'")["path"].iloc[:5]
    change(
        runs[1],
        lambda table: table[~table["path"].isin(gone)].replace({"path": {"test/human/human/ukiyo_e/038.png": "new.png"}}),
    )
    with pytest.raises(ArtclfError, match="tested on different pictures") as error:
        read_judged(runs, tmp_path)
    _, *groups, difference = str(error.value).splitlines()
    assert groups == [f"118 test pictures: {runs[0]}, {runs[2]}", f"113 test pictures: {runs[1]}"]
    assert difference.startswith(f"{runs[1]} against {runs[0]}: 1 picture more (new.png), 6 pictures fewer (")
    assert difference.endswith(", …)")
    assert sum(path in difference for path in gone) == 3


def test_another_label_is_another_test_set(make_runs, tmp_path):
    runs = make_runs(("model=a", 0), ("model=b", 0))
    path = "test/human/human/baroque/000.png"
    change(runs[1], lambda table: table.assign(label=table["label"].where(table["path"] != path, "ai")))
    with pytest.raises(ArtclfError, match=rf"1 picture with another label \({path}\)"):
        read_judged(runs, tmp_path)


def test_the_same_data_set_in_another_folder_is_the_same(make_runs, tmp_path):
    runs = make_runs(("model=a", 0), ("model=b", 0))
    give_root(runs[1], "somewhere/else")
    assert other_folders(read_judged(runs, tmp_path)) == ["data/art", "somewhere/else"]
    assert other_folders(read_judged(runs[:1], tmp_path)) == []


def test_other_pictures_of_the_same_names_are_refused(make_runs, tmp_path):
    runs = make_runs(("model=a", 0), ("model=b", 0))
    paths = read_judged(runs, tmp_path)[0].paths
    for run, color in zip(runs, (10, 10), strict=True):
        root = tmp_path / "pictures" / run.name
        give_root(run, root)
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (2, 2), color).save(root / path)
    assert len(read_judged(runs, tmp_path)) == 2  # copies
    for path in paths[10:]:
        Image.new("L", (2, 2), 99).save(tmp_path / "pictures" / runs[1].name / path)
    with pytest.raises(ArtclfError, match=r"different pictures of the same names.*is not the same file in .*pictures/1 as in"):
        read_judged(runs, tmp_path)


def test_names_are_as_short_as_they_can_be(make_run, tmp_path):
    folders = [tmp_path / sweep / run for sweep in ("x", "y") for run in ("0", "1")]
    for folder in folders:
        make_run(folder)
    assert [run.name for run in read_judged(folders[:2], tmp_path / "to")] == ["0", "1"]
    assert [run.name for run in read_judged(folders, tmp_path / "to")] == ["x/0", "x/1", "y/0", "y/1"]
    assert [run.name for run in read_judged(folders[:2], tmp_path)] == ["x/0", "x/1"]  # paths from the comparison


def test_settings_are_alike_where_the_seed_alone_differs(make_runs, tmp_path):
    a, b, c, d = make_runs(("model=x head=mlp", 0), ("head=mlp model=x", 1), ("model=y head=mlp", 0), ("", 0))
    metrics = json.loads((d / "metrics.json").read_text())
    del metrics["command"]
    (d / "metrics.json").write_text(json.dumps(metrics))
    one, two, three, four = read_judged([a, b, c, d], tmp_path)
    assert one.alike(two)
    assert not one.alike(three)
    assert not four.alike(four)  # nobody knows of what setting it is
    assert (two.seed, two.overrides) == ("1", ("head=mlp", "model=x"))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda table: table.assign(p_ai=table["p_ai"].where(table.index != 70, np.nan)), "p_ai nan"),
        (lambda table: table.assign(p_ai=1.5), "p_ai 1.5"),
        (lambda table: table.assign(label="art"), "label 'art'"),
        (lambda table: table[table["split"] == "val"], "holds no picture of the split test"),
        (lambda table: table.drop(columns="p_ai"), "has no column p_ai"),
    ],
)
def test_predictions_that_are_none_are_refused(make_runs, tmp_path, edit, said):
    (run,) = make_runs(("model=a", 0))
    change(run, edit)
    with pytest.raises(ArtclfError, match=rf"predictions\.csv: .*{said}"):
        read_judged([run], tmp_path)


def test_a_run_without_predictions_is_refused(make_runs, tmp_path):
    runs = make_runs(("model=a", 0), ("model=b", 0))
    (runs[1] / "predictions.csv").unlink()
    with pytest.raises(ArtclfError, match=r"1: no predictions\.csv"):
        read_judged(runs, tmp_path)
