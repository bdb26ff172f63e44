import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import auc, roc_auc_score

from artclf.report import style
from artclf.report.figures.runs import plot_losses, plot_rocs
from artclf.report.finished_runs import read_judged


def history(last, columns=("train/loss", "val/loss")):
    return pd.DataFrame({"epoch": [1.0, 2.0], **{name: [1.0, last] for name in columns}})


def test_losses_of_all_runs_share_a_scale(tmp_path):
    names = [str(i) for i in range(8)]
    figure = plot_losses({name: history(0.3 + 0.01 * i) for i, name in enumerate(names)}, names)
    training, validation = figure.axes
    assert training.get_ylim() == validation.get_ylim()
    for axes in figure.axes:
        assert sorted(line.get_ydata()[-1] for line in axes.lines) == pytest.approx([0.3 + 0.01 * i for i in range(8)])
        assert {text.get_text() for text in axes.texts} == set(names[: len(style.RUNS)])
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in training.texts]
    assert not any(box.overlaps(other) for i, box in enumerate(boxes) for other in boxes[i + 1 :])
    style.save(figure, tmp_path / "losses.png")


def test_a_loss_that_was_not_recorded_is_said_so():
    training, validation = plot_losses({"a": history(0.5, ("val/loss",)), "b": history(0.4, ("val/loss",))}, ["a", "b"]).axes
    assert [text.get_text() for text in training.texts] == ["not recorded"]
    assert len(validation.lines) == 2


def test_roc_curves_are_those_of_the_runs(make_runs, tmp_path):
    runs = read_judged(make_runs(*[(f"model={i}", 0) for i in range(8)]), tmp_path)
    figure = plot_rocs(runs)
    whole, corner = figure.axes
    legend = whole.get_legend()
    shown = [text.get_text() for text in legend.get_texts()]
    assert shown == [f"{run.name}  {roc_auc_score(run.is_ai, run.p_ai):.3f}" for run in runs[:6]]
    assert legend.get_title().get_text() == "AUROC (2 more in grey)"
    for axes in figure.axes:
        curves = [line for line in axes.lines if line.get_marker() != "o" and len(line.get_xdata()) > 2]
        areas = [auc(*line.get_data()) for line in curves]
        assert areas[::-1] == pytest.approx([roc_auc_score(run.is_ai, run.p_ai) for run in runs])
        dots = [line for line in axes.lines if line.get_marker() == "o"][::-1]
        for run, dot in zip(runs, dots, strict=True):
            figures = run.figures
            assert dot.get_xdata()[0] == pytest.approx(figures["false_positive_rate"])
            assert dot.get_ydata()[0] == pytest.approx(1 - figures["false_negative_rate"])
    assert corner.get_xlim()[1] < 0.11
    style.save(figure, tmp_path / "roc.png")


def test_roc_curves_of_one_class_are_not_drawn(judge):
    figure = plot_rocs([judge("a", np.ones(5, dtype=bool), 0)])
    assert "only one of them" in figure.axes[0].texts[0].get_text()
