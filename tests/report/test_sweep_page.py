from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from artclf.config.space import Setting
from artclf.report.sweep_page import Sweep, plot_trials, write_sweep

SETTINGS = [
    Setting("lr", "tag(log, interval(1e-5, 1e-2))", low=1e-5, high=1e-2, log=True),
    Setting("head", "choice(mlp, linear)", words=("mlp", "linear")),
    Setting("dropout", "interval(0, 0.7)", high=0.7),
]


def made_up(*trials: dict[str, Any], **changes: Any) -> Sweep:
    given: dict[str, Any] = {
        "metric": "val/loss",
        "mode": "min",
        "trials": pd.DataFrame(trials).astype({"val/loss": float}),
        "settings": SETTINGS,
        "settled": ["data=folder", "a b"],
        "importance": {"lr": 0.8, "head": 0.2},
        "asked": len(trials),
        "seconds": 100.0,
    }
    return Sweep(**{**given, **changes})


def trial(number: int, value: float | None = None, **changes: Any) -> dict[str, Any]:
    state = "finished" if value is not None else "failed"
    drawn = {"lr": f"{10 ** -(2 + number % 3)}", "head": ("mlp", "linear")[number % 2], "dropout": str(number / 20)}
    ended = {"trial": number, "state": state, "val/loss": value, "epochs": 3, "seconds": 2.0}
    return {**ended, **drawn, "test_balanced_accuracy": None, "test_false_positive_rate": None, "reason": "", **changes}


def test_page_table_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "report.html").touch()
    trials = [
        trial(0, 0.4, test_balanced_accuracy=0.99, test_false_positive_rate=0.0),
        trial(1, 0.3, test_balanced_accuracy=0.51, test_false_positive_rate=0.25),
        trial(2, reason="diverged <b>"),
        trial(3, 0.9, state="pruned", reason="stopped after epoch 2"),
    ]
    write_sweep(tmp_path, made_up(*trials))
    assert pd.read_csv(tmp_path / "sweep.csv")["state"].tolist() == ["finished", "finished", "failed", "pruned"]
    page = (tmp_path / "sweep.html").read_text(encoding="utf-8")
    assert "2 of 4 trials finished, 1 pruned, 1 failed." in page
    assert "The best is trial 1: validation loss 0.3." in page  # though trial 0 has the better test figures
    assert "artclf train data=folder &#39;a b&#39; lr=0.001 head=linear" in page
    assert "chose nothing" in page
    assert "diverged &lt;b&gt;" in page
    assert 'href="1/report.html"' in page
    assert "lr: it explains 80.0% of the differences" in page
    assert page.index(">1</a> (best)") < page.index('<th scope="row">0') < page.index('<th scope="row">3')
    for name in ("trials", "settings"):
        with Image.open(tmp_path / f"sweep_{name}.png") as image:
            assert min(image.size) > 100
    printed = capsys.readouterr().out
    assert "artclf train data=folder 'a b' lr=0.001 head=linear" in printed
    assert "balanced" not in printed  # no test figure beside the choice


def test_an_interrupted_search_of_one_trial_can_be_drawn(tmp_path: Path) -> None:
    sweep = made_up(trial(0, 0.5), importance={}, asked=20)
    write_sweep(tmp_path, sweep)
    page = (tmp_path / "sweep.html").read_text(encoding="utf-8")
    assert "interrupted before its 20 trials were done" in page
    assert (tmp_path / "sweep_settings.png").is_file()
    assert '<th class="n">importance</th>' not in (tmp_path / "sweep.html").read_text(encoding="utf-8")


def test_a_loss_that_nearly_diverged_does_not_flatten_the_others() -> None:
    (axes,) = plot_trials(made_up(trial(0, 0.3), trial(1, 0.2), trial(2, 5e6))).axes
    assert axes.get_yscale() == "log"
    (axes,) = plot_trials(made_up(trial(0, 0.3), trial(1, 0.2))).axes
    assert axes.get_yscale() == "linear"
