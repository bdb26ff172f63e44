"""All figures of a run: what the report room draws, of what the run has.

Those that show the data or the network alone are the same in most runs of a sweep, and cost more than the others together. So
the last of each is kept, with what it was drawn of.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from matplotlib.figure import Figure

from artclf.data.images import read_pixels
from artclf.data.module import ArtData
from artclf.data.reader import to_square
from artclf.model.classifier import ArtClassifier
from artclf.report.calibration import plot_reliability
from artclf.report.cells import plot_cells
from artclf.report.figures.counts import plot_counts
from artclf.report.figures.network import LayerRow, plot_network
from artclf.report.figures.pictures import Mistake, plot_copies, plot_mistakes, plot_samples
from artclf.report.figures.scores import plot_confusion, plot_roc_pr, plot_scores
from artclf.report.figures.training import plot_accuracy, plot_loss
from artclf.report.style import save
from artclf.training.stages import StageRecord

SAMPLES = 12  # pictures a class
COPIES = 5  # augmented copies of one picture
MISTAKES = 6  # of each kind: those of the commoner kind are not to push out the others
THUMBNAIL = 224  # pixels a side

Pixels = npt.NDArray[np.uint8]

_kept: dict[str, tuple[Hashable, bytes]] = {}  # name → of what the file was drawn last, and its bytes


def draw_figures(
    folder: Path,
    *,
    data: ArtData,
    model: ArtClassifier,
    records: Sequence[StageRecord],
    history: pd.DataFrame,
    predictions: pd.DataFrame,
    metrics: dict[str, Any],
) -> None:
    """Draw a run's figures into `folder`.

    Args:
        folder: the run's figures/, made where it is missing.
        data: the run's data, read.
        model: the classifier.
        records: of the stages.
        history: metrics.csv.
        predictions: predictions.csv.
        metrics: metrics.json.
    """
    folder.mkdir(exist_ok=True)
    stages = [record.to_json() for record in records]
    save(plot_accuracy(history, stages), folder / "accuracy.png")
    save(plot_loss(history, stages), folder / "loss.png")
    rows, title = _layer_rows(model, records), f"{metrics['model']['name']}: what is trained when"
    _draw_once(folder / "network.png", (title, *rows), lambda: plot_network(rows, title))
    _draw_data(folder, data)
    draw_verdicts(folder, root=data.manifest.root, max_pixels=data.config.max_pixels, predictions=predictions, metrics=metrics)


def draw_verdicts(folder: Path, *, root: Path, max_pixels: int, predictions: pd.DataFrame, metrics: dict[str, Any]) -> None:
    """Draw what shows how good the verdicts are, of a run or of a model on other pictures.

    Args:
        folder: where to; it is there.
        root: the folder that the paths of the predictions are relative to.
        max_pixels: a picture with more is refused.
        predictions: predictions.csv, with calibrated and verdict.
        metrics: metrics.json, which holds the figures of each split of the predictions.
    """
    for split, works in predictions.groupby("split", sort=False):
        suffix = "" if split == "test" else f"_{split}"
        shown = plot_confusion(metrics[str(split)]["confusion"], f"Truth and verdict, {split} split")
        save(shown, folder / f"confusion{suffix}.png")
        if split != "val":
            save(plot_cells(works, f"Judged rightly, {split} split: makers and styles"), folder / f"cells{suffix}.png")
    tested = predictions[predictions["split"] == "test"]
    is_ai = (tested["label"] == "ai").to_numpy(dtype=bool)
    if 0 < is_ai.sum() < len(is_ai):  # the curves need both classes
        save(plot_roc_pr(is_ai, tested["p_ai"].to_numpy(dtype=float)), folder / "roc_pr.png")
    save(plot_scores(tested), folder / "scores.png")
    save(plot_reliability(tested), folder / "reliability.png")
    save(plot_mistakes(_mistakes(root, max_pixels, tested)), folder / "mistakes.png")


def _draw_data(folder: Path, data: ArtData) -> None:
    for label, title in (("ai", "AI-generated pictures of the training split"), ("human", "Human works of the training split")):
        samples = _samples(data, label)
        shown = (title, *((_state(data.manifest.root / path), caption) for path, caption in samples))
        _draw_once(folder / f"samples_{label}.png", shown, partial(_plot_samples, data, samples, title))
    before = data.manifest.counts()["train"]
    after = {label: sum(kinds.values()) for label, kinds in data.counts_after().items()}
    title = f"Training pictures before and after balance={data.balance}"
    _draw_once(folder / "counts.png", (title, str(before), str(after)), lambda: plot_counts(before, after, title))
    _draw_copies(folder, data)


def _draw_copies(folder: Path, data: ArtData) -> None:
    """Draw a training picture and what augmenting makes of it, where it makes anything."""
    dataset = data.dataset("train")
    if dataset.augmentation is None:
        return
    copied = np.flatnonzero(dataset.copies)
    if len(copied):
        row = int(dataset.rows[copied[np.argmax(dataset.copies[copied])]])
        numbers = [int(copy) for copy in dataset.copies[dataset.rows == row] if copy][:COPIES]
        # few copies a picture: show what a further one would have looked like
        numbers += range(len(numbers) + 1, COPIES + 1)
        drawn = [(copy, 0) for copy in numbers]
    elif dataset.each_epoch:
        row, drawn = 0, [(0, epoch) for epoch in range(COPIES)]
    else:
        return
    title = f"A training picture, and what augment={data.augment.name} makes of it"

    def draw() -> Figure:
        return plot_copies(
            _to_array(dataset.picture(row)), [_to_array(dataset.picture(row, copy, epoch)) for copy, epoch in drawn], title
        )

    settings = (data.augment.model_dump_json(), data.seed, int(dataset.numbers[row]), dataset.reader)
    _draw_once(folder / "copies.png", (title, _state(Path(dataset.files[row])), *drawn, *settings), draw)


def _draw_once(file: Path, shown: Hashable, draw: Callable[[], Figure]) -> None:
    """Draw a figure, or write again what an earlier run of this process drew.

    Args:
        file: where to.
        shown: all that the figure depends on.
        draw: draws it.
    """
    kept = _kept.get(file.name)
    if kept is not None and kept[0] == shown:
        file.write_bytes(kept[1])
        return
    _kept[file.name] = (shown, save(draw(), file).read_bytes())


def _state(file: Path) -> Hashable:
    """What tells whether a file is still the same, without reading it."""
    stat = file.stat()
    return str(file), stat.st_mtime_ns, stat.st_size


def _layer_rows(model: ArtClassifier, records: Sequence[StageRecord]) -> list[LayerRow]:
    sizes = {name: parameter.numel() for name, parameter in model.body.named_parameters()}
    total = len(model.layers)
    rows = []
    for number, layer in enumerate(model.layers.layers):
        trained_in = next((record.name for record in records if number >= total - record.layers), None)
        rows.append(LayerRow(layer.name, layer.kind, sum(sizes[name] for name in layer.parameters), trained_in))
    head = sum(parameter.numel() for parameter in model.head.parameters())
    return [*rows, LayerRow("head", type(model.head).__name__, head, records[0].name)]


def _to_array(pixels: torch.Tensor) -> Pixels:
    array: Pixels = pixels.permute(1, 2, 0).numpy()
    return array


def _thumbnail(file: Path, max_pixels: int) -> Pixels:
    pixels = torch.from_numpy(read_pixels(file, max_pixels=max_pixels)).permute(2, 0, 1)
    return _to_array(to_square(pixels, THUMBNAIL))


def _samples(data: ArtData, label: str) -> list[tuple[str, str]]:
    """Path and caption of pictures of one class, in turn from each of its generators and styles."""
    train = data.manifest.split("train")
    rows = train[train["label"] == label]
    turn = rows.groupby(["generator", "style"]).cumcount()
    chosen = rows.assign(turn=turn).sort_values(["turn", "generator", "style"], kind="stable").head(SAMPLES)
    return [
        (row["path"], row["style"] if label == "human" else f"{row['generator']}, {row['style']}")
        for _, row in chosen.iterrows()
    ]


def _plot_samples(data: ArtData, samples: Sequence[tuple[str, str]], title: str) -> Figure:
    root, most = data.manifest.root, data.config.max_pixels
    return plot_samples([(_thumbnail(root / path, most), caption) for path, caption in samples], title)


def _mistakes(root: Path, max_pixels: int, tested: pd.DataFrame) -> list[Mistake]:
    """The test pictures that were judged most wrongly, of both kinds."""
    is_ai = tested["label"] == "ai"
    wrong = tested[(tested["p_ai"] >= 0.5) != is_ai]
    distance = (wrong["p_ai"] - is_ai[wrong.index]).abs()
    ranked = wrong.loc[distance.sort_values(ascending=False, kind="stable").index]
    worst = ranked.groupby("label").head(MISTAKES)
    return [
        Mistake(
            _thumbnail(root / row["path"], max_pixels),
            row["path"],
            row["label"],
            row["generator"],
            row["style"],
            float(row["p_ai"]),
        )
        for _, row in worst.iterrows()
    ]
