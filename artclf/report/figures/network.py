"""The network as a figure: its blocks in order, how large each is, and in which stage it is trained."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from artclf.report import format as fmt
from artclf.report import style

_MOST_BLOCKS = 28


def plot_network(layers: pd.DataFrame, title: str) -> Figure:
    """Plot the parameters of each block, coloured by the first stage that trains them; what is frozen is grey and hatched.

    Args:
        layers: layers.csv, in the order of execution, the head last: ``name``, ``parameters``, ``stage`` ("": always frozen).
        title: of the figure.
    """
    figure = style.paper(style.WIDE, 4.2, title)
    axes = figure.subplots()
    blocks = blocks_of(layers["name"])
    places = pd.factorize(blocks)[0]
    bottom = np.zeros(places.max() + 1)
    trained = [stage for stage in dict.fromkeys(reversed(layers["stage"])) if stage]  # the head is trained first
    looks = {stage: {"color": style.STAGES[number % len(style.STAGES)]} for number, stage in enumerate(trained)}
    for stage, look in {**looks, "": {"facecolor": style.FROZEN, "hatch": "////"}}.items():
        chosen = layers["stage"] == stage
        parameters = layers.loc[chosen, "parameters"]
        if parameters.empty:
            continue
        heights = np.bincount(places[chosen], parameters, minlength=len(bottom))
        name = f"trained from stage {style.short(stage)} on" if stage else "always frozen"
        label = f"{name}: {fmt.plural(len(parameters), 'layer')}, {fmt.size(parameters.sum())} parameters"
        axes.bar(range(len(bottom)), heights, bottom=bottom, label=label, **look)  # type: ignore[arg-type]
        bottom += heights
    axes.set_yscale("function", functions=(lambda y: np.sqrt(np.maximum(y, 0)), np.square))
    axes.set_ylim(0, max(1.0, 1.1 * bottom.max()))
    axes.yaxis.set_major_formatter(lambda value, _: fmt.size(value))
    axes.set_ylabel("parameters (square-root scale)")
    names = [style.short(name, 20) for name in blocks.unique()]
    axes.set_xticks(range(len(names)), names, rotation=50, ha="right", rotation_mode="anchor")
    axes.grid(axis="x", visible=False)
    axes.legend(loc="upper left")
    return figure


def blocks_of(names: pd.Series) -> pd.Series:
    """Name the block of each layer: its dotted name, cut to as many parts as give at most 28 blocks, if any do."""
    parts = names.str.split(".")
    blocks = names
    for depth in range(names.str.count(r"\.").max() + 1, 0, -1):
        blocks = parts.str[:depth].str.join(".")
        if blocks.nunique() <= _MOST_BLOCKS:
            break
    return blocks
