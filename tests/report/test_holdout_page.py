import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artclf.errors import ArtclfError
from artclf.report.holdout_page import read_holdout, sentences, write_holdout

COMMAND = "python train.py +holdout=generator"


def write_run(folder: Path, leave: str, found: dict[str, float], source: str = "folder", **left_out: str) -> Path:
    """A run that found these shares of the 20 test works of each generator, and accused 1 of 20 human works."""
    parts = [
        pd.DataFrame(
            {
                "path": [f"{name}/{i}.png" for i in range(20)],
                "label": "human" if name == "human" else "ai",
                "generator": name,
                "style": "plain",
                "split": "unseen" if name == leave else "test",
                "p_ai": np.where(np.arange(20) < 20 * share, 0.9, 0.1) + np.arange(20) / 1000,
            }
        )
        for name, share in {**found, "human": 0.05}.items()
    ]
    folder.mkdir(parents=True)
    pd.concat(parts).to_csv(folder / "predictions.csv", index=False)
    metrics = {
        "data": {"source": source, "left_out": {"by": "generator", "leave": leave, "split": "unseen", **left_out}},
        "command": f"{COMMAND} holdout.leave={leave}",
        "fallbacks": ["it starts from random weights"],
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "report.html").write_text("x")
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Path]:
    return {
        "alpha": write_run(tmp_path / "alpha", "alpha", {"alpha": 0.95, "<b>eta": 1.0}),
        "<b>eta": write_run(tmp_path / "b_eta", "<b>eta", {"alpha": 0.9, "<b>eta": 0.25}),
    }


def test_three_sentences_which_is_missed_what_it_loses_and_what_does_not_follow(runs: dict[str, Path]) -> None:
    first, second, third = sentences(read_holdout(runs, "generator", COMMAND))
    assert first.startswith(
        "Of 2 generators left out in turn, <b>eta is missed most: a network that has never seen a picture of it"
    )
    assert "finds 25.0% of its 20 AI works (95% interval 11.2% to 46.9%), and wrongly calls 5.0% of 20 human works AI" in first
    assert second.startswith(
        "Of the same works, a network trained on it, without alpha, finds 100.0%: being unseen changes that"
    )
    assert "by −75.0 points (−" in second
    assert second.endswith("of what it was trained on, the network that has never seen it finds 90.0%.")
    assert third.startswith("It does not follow that works of a further generator")
    assert third.endswith("; with 20 AI works, chance may have put <b>eta first.")


def test_the_page_and_the_same_for_machines(runs: dict[str, Path], tmp_path: Path) -> None:
    holdout = read_holdout(runs, "generator", COMMAND, {"gamma": "it <failed>"}, {"unknown": "nobody knows"})
    write_holdout(tmp_path, holdout)
    page = (tmp_path / "holdout.html").read_text(encoding="utf-8")
    assert "<b>eta" not in page
    assert "&lt;b&gt;eta" in page
    assert 'href="b_eta/report.html"' in page
    assert "it &lt;failed&gt;" in page
    assert "nobody knows" in page
    assert page.count("it starts from random weights") == 1  # of both runs
    assert f"{COMMAND}</pre>" in page
    assert "holdout.leave=alpha" in page
    assert "1% of 20 is less than one work" in page
    assert page.count('25.0%<br><span class="quiet">11.2 to 46.9</span>') == 1  # found by the network that has not seen it
    assert "Demo data" not in page
    assert "http" not in page.replace("http-equiv", "")
    with Image.open(tmp_path / "holdout.png") as image:
        assert min(image.size) > 200
    content = json.loads((tmp_path / "holdout.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in content["left_out"]] == ["<b>eta", "alpha"]  # found least first
    assert content["left_out"][0]["unseen"]["recall"]["value"] == 0.25
    assert content["left_out"][0]["lost"]["recall"]["difference"] == pytest.approx(-0.75)
    assert content["failed"] == {"gamma": "it <failed>"}
    table = pd.read_csv(tmp_path / "holdout.csv")
    assert table[table["works"] == "unseen"]["recall"].tolist() == [0.25, 0.95]
    assert table["runs"].tolist() == [1] * 6


def test_one_run_alone_says_that_the_cost_is_not_known(runs: dict[str, Path], tmp_path: Path) -> None:
    holdout = read_holdout({"alpha": runs["alpha"]}, "generator", COMMAND)
    first, second, _ = sentences(holdout)
    assert first.startswith("alpha was left out: a network that has never seen a picture of it finds 95.0%")
    assert second.startswith("What that costs is not known: no other run that was trained on alpha has finished")
    write_holdout(tmp_path, holdout)
    page = (tmp_path / "holdout.html").read_text(encoding="utf-8")
    assert "What being unseen costs" not in page


def test_equals_are_not_ranked_and_the_demo_tells_nothing_about_art(tmp_path: Path) -> None:
    runs = {name: write_run(tmp_path / name, name, {"a": 1.0, "b": 1.0}, source="demo") for name in ("a", "b")}
    first, _, third = sentences(read_holdout(runs, "generator", COMMAND))
    assert first.startswith("Of 2 generators left out in turn, none is missed more than another")
    assert third.endswith("tell nothing about art.")


def test_what_is_no_such_run_is_refused(runs: dict[str, Path]) -> None:
    with pytest.raises(ArtclfError, match=r"no run finished, so there is nothing to tell\nalpha: no disk"):
        read_holdout({}, "generator", COMMAND, {"alpha": "no disk"})
    with pytest.raises(ArtclfError, match="alpha: is not the run that left gamma out"):
        read_holdout({"gamma": runs["alpha"]}, "generator", COMMAND)
