import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artclf.errors import ArtclfError
from artclf.report.holdout_page import write_holdout

COMMAND = "python train.py +holdout=generator"


def write_run(folder: Path, leave: str, found: dict[str, float], source: str = "folder") -> Path:
    """A run that found these shares of the 20 test images of each generator, and called 1 of 20 human images AI."""
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
    table = pd.concat(parts)
    table = table.assign(calibrated=table["p_ai"], verdict=np.where(table["p_ai"] >= 0.5, "ai", "human"))
    table.to_csv(folder / "predictions.csv", index=False)
    metrics = {
        "data": {"source": source, "left_out": {"by": "generator", "leave": leave, "split": "unseen"}},
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


def test_the_page_and_the_same_for_machines(runs: dict[str, Path], tmp_path: Path) -> None:
    write_holdout(tmp_path, runs, "generator", COMMAND, {"gamma": "it <failed>"}, {"unknown": "nobody knows"})
    content = json.loads((tmp_path / "holdout.json").read_text(encoding="utf-8"))
    gap, lowest, verdicts, limits = content["sentences"]
    assert gap.startswith(
        "AUROC falls from 0.999 by a network that was trained on <b>eta to 0.680 by one that was not, on the same test "
        "images: difference −0.319, 95% interval −0."
    )
    assert lowest == ("<b>eta has the lowest AUROC of 2 generators left out; with so few images, chance may have put it first.")
    assert "5.0% of 20 human test images are called AI (95% interval 0.1–24.9%) and 25.0% of 20 AI images of <b>eta" in verdicts
    assert limits.startswith("This does not show how well a further generator would be found")
    unseen = content["rows"][0]
    assert (unseen["name"], unseen["images"], unseen["estimates"]["recall"]["value"]) == ("<b>eta", "unseen", 0.25)
    assert content["rows"][1]["gap"]["value"] == pytest.approx(-0.31875)  # of its test images, which are all here
    assert content["failed"] == {"gamma": "it <failed>"}
    table = pd.read_csv(tmp_path / "holdout.csv")
    assert table[table["images"] == "unseen"]["recall"].tolist() == [0.25, 0.95]
    assert table["runs"].tolist() == [1] * 8

    page = (tmp_path / "holdout.html").read_text(encoding="utf-8")
    assert "<b>eta" not in page
    assert "&lt;b&gt;eta" in page
    assert 'href="b_eta/report.html"' in page
    assert "it &lt;failed&gt;" in page
    assert "nobody knows" in page
    assert page.count("it starts from random weights") == 1  # of both runs
    assert f"<pre>{COMMAND}\n" in page
    assert "holdout.leave=alpha" in page
    assert "1% of 20 is less than one image" in page
    assert page.count('25.0%<br><span class="quiet">8.7–49.1%</span>') == 2
    assert "Demo data" not in page
    with Image.open(tmp_path / "holdout.png") as image:
        assert min(image.size) > 200


def test_one_run_alone_does_not_show_the_cost(tmp_path: Path) -> None:
    run = write_run(tmp_path / "alpha", "alpha", {"alpha": 0.95}, source="demo")
    write_holdout(tmp_path, {"alpha": run}, "generator", COMMAND, {}, {})
    page = (tmp_path / "holdout.html").read_text(encoding="utf-8")
    assert "what leaving it out costs is not known: no other run that was trained on alpha has finished" in page
    assert "Demo data" in page


def test_of_equal_ones_none_is_called_the_lowest(tmp_path: Path) -> None:
    found = {"alpha": 1.0, "beta": 1.0}
    runs = {name: write_run(tmp_path / name, name, found) for name in found}
    sentences = write_holdout(tmp_path, runs, "generator", COMMAND, {}, {}).sentences
    assert sentences[0].startswith("AUROC changes from")
    assert not any("lowest" in sentence for sentence in sentences)


def test_what_is_no_such_run_is_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ArtclfError, match=r"no run finished, so there is nothing to report\nalpha: no disk"):
        write_holdout(tmp_path, {}, "generator", COMMAND, {"alpha": "no disk"}, {})
    with pytest.raises(ArtclfError, match="alpha: is not the run that left gamma out"):
        write_holdout(tmp_path, {"gamma": runs["alpha"]}, "generator", COMMAND, {}, {})
