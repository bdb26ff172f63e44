"""How the files of a data set are stored, as figures: formats, sizes, JPEG qualities, by who made the pictures."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import NDArray

from artclf.evaluation.audit import kinds, qualities
from artclf.evaluation.shortcuts import bytes_per_pixel
from artclf.report import format as fmt
from artclf.report import style
from artclf.report.figures.data import Maker, makers_of

_MOST_ROWS = 10  # makers below each other
_MOST_KINDS = 8
_BINS = 44


def plot_kinds(facts: pd.DataFrame) -> Figure:
    """Plot which share of each class is stored in which format, kind of pixels and colour sampling.

    Args:
        facts: a survey's.
    """
    kind = kinds(facts)
    sizes = kind.value_counts()
    kept = list(sizes.index if len(sizes) <= _MOST_KINDS else sizes.index[: _MOST_KINDS - 1])
    if len(kept) < len(sizes):
        kept.append(f"{len(sizes) - len(kept)} others")
        kind = kind.where(kind.isin(kept), kept[-1])
    labels = [label for label in ("human", "ai") if (facts["label"] == label).any()]
    figure = style.paper(style.WIDE, 1.0 + 0.34 * len(labels) * len(kept) + 0.14 * len(kept))
    style.heading(figure, "Formats: what share of each class is stored how")
    axes = figure.subplots()
    for number, label in enumerate(labels):
        share = kind[facts["label"] == label].value_counts(normalize=True)
        for row, name in enumerate(kept):
            y, value = row + (number - (len(labels) - 1) / 2) * 0.4, float(share.get(name, 0.0))
            axes.barh(y, value, height=0.36, color=style.colour(label))
            axes.annotate(
                f"{fmt.share(value)} of {'human works' if label == 'human' else 'AI works'}",
                (value, y),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=style.SMALL,
                color=style.INK,
            )
    style.tidy(axes, grid=None)
    axes.set_xticks([])
    axes.set_xlim(0, 1.28)
    axes.set_yticks(range(len(kept)), [style.plain(name, 36) for name in kept])
    axes.tick_params(axis="y", labelsize=style.NORMAL, labelcolor=style.INK)
    axes.set_ylim(len(kept) - 0.45, -0.55)
    return figure


def plot_sizes(facts: pd.DataFrame) -> Figure:
    """Plot the sizes of pictures in pixels, by maker.

    Args:
        facts: a survey's.
    """
    side = np.sqrt((facts["width"] * facts["height"]).to_numpy(dtype=np.float64))
    sizes = facts["width"].astype(str) + "×" + facts["height"].astype(str)
    return _plot_spread(
        facts,
        side,
        "Sizes of the pictures, by who made them",
        "pixels a side (square root of width × height), on a logarithmic scale",
        lambda rows: _commonest(sizes[rows]),
        log=True,
    )


def plot_qualities(facts: pd.DataFrame) -> Figure:
    """Plot the JPEG qualities, by maker; other formats have none.

    Args:
        facts: a survey's.
    """
    quality = pd.to_numeric(facts["jpeg_quality"].astype(object), errors="coerce").to_numpy(dtype=float)
    said = qualities(facts)
    return _plot_spread(
        facts,
        quality,
        "JPEG quality of the files, by who made the pictures",
        "JPEG quality, as estimated from the quantisation tables",
        lambda rows: _commonest(said[rows]),
    )


def plot_densities(facts: pd.DataFrame) -> Figure:
    """Plot the size of files over the number of their pixels, by maker.

    Args:
        facts: a survey's.
    """
    density: NDArray[np.float64] = bytes_per_pixel(facts).to_numpy(dtype=np.float64)
    return _plot_spread(
        facts,
        density,
        "Bytes per pixel, by who made the pictures",
        "bytes of the file per pixel, on a logarithmic scale",
        lambda rows: f"median {np.median(density[rows]):.2f}",
        log=True,
    )


def _commonest(values: pd.Series) -> str:
    shares = values.value_counts(normalize=True)
    text = f"{style.plain(str(shares.index[0]), 14)}: {fmt.share(float(shares.iloc[0]))}"
    return text if len(shares) == 1 else f"{text}\nand {len(shares) - 1:,} other{'s' if len(shares) > 2 else ''}"


def _plot_spread(
    facts: pd.DataFrame,
    values: NDArray[np.float64],
    title: str,
    axis: str,
    note: Callable[[NDArray[np.bool_]], str],
    *,
    log: bool = False,
) -> Figure:
    """Plot a histogram of a value for each maker below each other, a note at the right; NaN is left out."""
    makers = makers_of(facts, _MOST_ROWS)
    known = values[np.isfinite(values)]
    figure = style.paper(style.WIDE, 1.2 + 0.66 * len(makers) if len(known) else 1.4)
    style.heading(figure, title)
    if not len(known):
        style.say(figure.subplots(), "Not one of the files has such a value.")
        return figure
    panels = figure.subplots(len(makers), 1, sharex=True, squeeze=False)[:, 0]
    few = _few(known, log=log)
    edges = _edges(known, log=log)
    for axes, maker in zip(panels, makers, strict=True):
        lefts, widths, numbers = _bars(values[maker.rows & np.isfinite(values)], few, edges, log=log)
        heights = numbers / maker.rows.sum()
        axes.bar(lefts, heights, width=widths, align="edge", color=style.colour(maker.label))
        style.blank(axes)
        axes.tick_params(length=0)
        axes.spines["bottom"].set(visible=True, color=style.GRID, linewidth=1.2)
        axes.set_ylim(0, max(1.08 * heights.max(), 0.01))
        _beside(axes, maker, note(maker.rows))
    last = panels[-1]
    if log:
        last.set_xscale("log")
    last.set_xlim(edges[0], edges[-1])
    _tick(last, few, log=log)
    last.tick_params(labelsize=style.SMALL, labelcolor=style.MUTED)
    last.set_xlabel(axis, fontsize=style.SMALL + 0.5, color=style.MUTED)
    return figure


def _edges(known: NDArray[np.float64], *, log: bool) -> NDArray[np.float64]:
    """Edges of the bins with room at both ends."""
    if log:
        low, high = np.log(known.min()), np.log(known.max())
        room = max(0.08 * (high - low), 0.25)
        edges: NDArray[np.float64] = np.exp(np.linspace(low - room, high + room, _BINS + 1))
        return edges
    low, high = max(known.min() - 5, 0), max(known.max() + 2, 101)
    step = max(1, int(np.ceil((high - low) / _BINS)))
    return np.arange(low, high + step, step) - 0.5  # each whole number in the middle of a bin, where the bins are one wide


def _few(known: NDArray[np.float64], *, log: bool) -> NDArray[np.float64]:
    """Return the values themselves where they are few and far apart, else nothing."""
    few = np.unique(known)
    gaps = np.diff(np.log(few)) / 0.12 if log else np.diff(few) / 2
    return few if len(few) <= 5 and (gaps > 1).all() else few[:0]


def _bars(
    values: NDArray[np.float64], few: NDArray[np.float64], edges: NDArray[np.float64], *, log: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int_]]:
    """Left ends, widths and numbers of the bars: one on each value where these are few, else those of a histogram."""
    if not len(few):
        return edges[:-1], np.diff(edges) * 0.92, np.histogram(values, edges)[0]
    half = np.sqrt(edges[1] / edges[0]) if log else (edges[1] - edges[0]) / 2
    lefts, rights = (few / half, few * half) if log else (few - half, few + half)
    return lefts, rights - lefts, (values[:, None] == few).sum(axis=0)


def _tick(axes: Axes, few: NDArray[np.float64], *, log: bool) -> None:
    """Mark the values themselves where they are few, else round ones."""
    if len(few):
        ticks = few
    elif log:
        low, high = np.log2(axes.get_xlim())
        ticks = 2.0 ** np.arange(np.ceil(low), np.floor(high) + 1)
    else:
        low, high = axes.get_xlim()
        step = 5 if high - low < 40 else 10
        ticks = np.arange(step * np.ceil(low / step), high, step)
    axes.xaxis.set_major_locator(FixedLocator(list(ticks)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{tick:,.0f}" if tick >= 10 else f"{tick:.3g}" for tick in ticks])


def _beside(axes: Axes, maker: Maker, note: str) -> None:
    """Write who made these pictures at the left, a note at the right."""
    axes.text(
        -0.015,
        0.4,
        f"{style.plain(maker.name, 26)}\n{fmt.count(int(maker.rows.sum()))} files",
        transform=axes.transAxes,
        ha="right",
        va="center",
        fontsize=style.NORMAL,
        color=style.colour(maker.label),
    )
    axes.text(1.015, 0.4, note, transform=axes.transAxes, va="center", fontsize=style.NORMAL, color=style.INK)
