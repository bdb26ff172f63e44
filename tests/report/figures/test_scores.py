import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import auc, roc_auc_score

from artclf.report import style
from artclf.report.figures.scores import plot_confusion, plot_roc_pr, plot_scores


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_the_confusion_tells_counts_shares_and_the_false_accusation(tmp_path):
    figure = plot_confusion({"ai": {"ai": 17608, "human": 2392}, "human": {"ai": 1266, "human": 8734}}, "Verdicts")
    shown = texts(figure)
    assert {"17,608", "2,392", "1,266", "8,734", "88.0%", "12.0%", "12.7%", "87.3%"} <= set(shown)
    at = shown.index("1,266")
    assert "false accusation" in shown[at + 2]
    boxes = figure.axes[0].patches
    framed = [box for box in boxes if box.get_linewidth() > 0]
    assert [(box.get_x() > 1, box.get_y() > 1) for box in framed] == [(True, True)]  # human row on top, verdict AI right
    style.save(figure, tmp_path / "confusion.png")


def test_a_class_that_is_not_there_is_said_so():
    figure = plot_confusion({"ai": {"ai": 21, "human": 79}, "human": {"ai": 0, "human": 0}}, "Unseen")
    assert texts(figure).count("no such works\nin this split") == 2
    assert not [box for box in figure.axes[0].patches if box.get_linewidth() > 0]
    assert texts(plot_confusion({"ai": {"ai": 21, "human": 79}}, "Unseen")) == texts(figure)


def test_curves_and_the_operating_point(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.random(500) < 0.4
    scores = np.clip(np.where(truth, 0.65, 0.35) + rng.normal(0, 0.2, 500), 0, 1)
    figure = plot_roc_pr(truth, scores)
    roc, precision_recall = figure.axes
    assert f"AUROC {roc_auc_score(truth, scores):.3f}" in roc.get_title(loc="left")
    point = next(line for line in roc.lines if line.get_marker() == "o")
    assert point.get_xdata()[0] == pytest.approx((scores[~truth] >= 0.5).mean())
    assert point.get_ydata()[0] == pytest.approx((scores[truth] >= 0.5).mean())
    point = next(line for line in precision_recall.lines if line.get_marker() == "o")
    assert point.get_ydata()[0] == pytest.approx(truth[scores >= 0.5].mean())
    x, y = roc.lines[0].get_data()
    assert auc(x, y) == pytest.approx(roc_auc_score(truth, scores))
    style.save(figure, tmp_path / "roc.png")


def test_no_verdict_ai_leaves_precision_without_a_point():
    truth = np.array([True, False, True, False])
    figure = plot_roc_pr(truth, np.array([0.4, 0.1, 0.3, 0.2]))
    assert [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert not [line for line in figure.axes[1].lines if line.get_marker() == "o"]


@pytest.mark.parametrize("value", [True, False])
def test_curves_of_one_class_are_not_drawn(value):
    figure = plot_roc_pr(np.full(5, value), np.linspace(0, 1, 5))
    assert len(figure.axes) == 1
    assert "need works of AI and of people" in texts(figure)[0]


def test_the_histogram_has_a_row_for_each_generator_and_colours_errors(make_predictions, tmp_path):
    table = make_predictions()
    test = table[table["split"] == "test"]
    figure = plot_scores(test)
    assert [axes.texts[0].get_text().split("\n")[0] for axes in figure.axes] == [
        "human",
        "latent_diffusion",
        "stable_diffusion",
    ]
    for axes, name in zip(figure.axes, ("human", "latent_diffusion", "stable_diffusion"), strict=True):
        scores = test.loc[test["generator"] == name, "p_ai"]
        bars = axes.patches
        assert sum(bar.get_height() for bar in bars) == pytest.approx(1.0)
        above = sum(bar.get_height() for bar in bars if bar.get_x() >= 0.5)
        assert above == pytest.approx((scores >= 0.5).mean())
        full = style.HUMAN if name == "human" else style.AI
        for bar in bars:
            wrong = (bar.get_x() >= 0.5) == (name == "human")
            assert (bar.get_facecolor()[:3] == pytest.approx(tuple(int(full[i : i + 2], 16) / 255 for i in (1, 3, 5)))) == wrong
    accused = int((test.loc[test["label"] == "human", "p_ai"] >= 0.5).sum())
    assert f"wrongly called AI\n{accused} of 40" in figure.axes[0].texts[1].get_text()
    style.save(figure, tmp_path / "scores.png")


def test_the_threshold_is_an_edge_and_belongs_to_ai():
    table = pd.DataFrame({"label": ["human"] * 4, "generator": "human", "p_ai": [0.1, 0.82, 0.83, 0.9]})
    (axes,) = plot_scores(table, threshold=0.83).axes
    right_of = [bar.get_height() for bar in axes.patches if bar.get_x() >= 0.83 - 1e-12]
    assert sum(right_of) == pytest.approx(0.5)
    assert "50.0% wrongly called AI\n2 of 4" in axes.texts[1].get_text()


def test_many_generators_share_a_row_and_odd_names_are_drawn(tmp_path):
    names = [f"gen_{i}$^" for i in range(30)]
    table = pd.DataFrame({"label": "ai", "generator": np.repeat(names, 3), "p_ai": np.tile([0.2, 0.7, 0.9], 30)})
    figure = plot_scores(table)
    assert len(figure.axes) == 12
    assert figure.axes[-1].texts[0].get_text() == "19 others\n57 by AI"
    style.save(figure, tmp_path / "many.png")


def test_no_pictures_is_said():
    table = pd.DataFrame({"label": [], "generator": [], "p_ai": []})
    assert "No pictures were judged." in texts(plot_scores(table))
