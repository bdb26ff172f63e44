"""The network as a figure: its blocks in order, how large each is, and in which stage it is trained."""

import re
from collections.abc import Sequence
from itertools import groupby

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from artclf.report import format as fmt
from artclf.report import style

_MOST_BLOCKS = 28
_NUMBERED = re.compile(r"(^|_)\d+$")


def plot_network(layers: pd.DataFrame, title: str) -> Figure:
    """Plot the parameters of each block, coloured by the first stage that trains them; what is frozen is grey and hatched.

    Args:
        layers: layers.csv, in the order of execution, the head last: ``name``, ``kind``, ``parameters``, ``stage`` ("": frozen
            throughout).
        title: of the figure.
    """
    blocks = blocks_of(list(layers["name"]))
    figure = style.paper(style.WIDE, 4.2, title)
    axes = figure.subplots()
    places = np.repeat(np.arange(len(blocks)), [len(names) for names in blocks])
    bottom = np.zeros(len(blocks))
    stages = list(dict.fromkeys(reversed(layers["stage"])))  # from the head backwards is the order of the stages
    for stage in sorted(stages, key=bool, reverse=True):
        of_stage = layers[layers["stage"] == stage]
        heights = np.bincount(places[of_stage.index], of_stage["parameters"], minlength=len(blocks))
        number = f"{fmt.plural(len(of_stage), 'layer')}, {fmt.size(of_stage['parameters'].sum())} parameters"
        if stage:
            trained = [name for name in stages if name]
            look = {"facecolor": style.STAGES[trained.index(stage) % len(style.STAGES)]}
            label = f"trained from stage {style.short(stage)} on: {number}"
        else:
            look = {"facecolor": style.FROZEN, "hatch": "////"}
            label = f"frozen throughout: {number}"
        axes.bar(range(len(blocks)), heights, bottom=bottom, label=label, **look)  # type: ignore[arg-type]
        bottom += heights
    axes.set_yscale("function", functions=(lambda y: np.sqrt(np.maximum(y, 0)), np.square))
    axes.set_ylim(0, max(1.0, 1.1 * bottom.max(initial=0.0)))
    axes.yaxis.set_major_formatter(lambda value, _: fmt.size(value))
    axes.set_ylabel("parameters (square-root scale)")
    names = [style.short(block[0] if len(block) == 1 else _common(block), 20) for block in blocks]
    axes.set_xticks(range(len(blocks)), names, rotation=50, ha="right", rotation_mode="anchor")
    axes.grid(axis="x", visible=False)
    axes.legend(loc="upper left")
    return figure


def blocks_of(names: Sequence[str]) -> list[list[str]]:
    """Group layers by the blocks that their dotted names tell of, at most 28; the last layer (the head) is one by itself.

    ``layer4.2.conv1`` belongs to ``layer4.2``. Where that makes too many blocks, names are cut shorter.
    """
    *body, head = names
    blocks: list[list[str]] = []
    for depth in range(max((name.count(".") for name in body), default=0), -1, -1):
        blocks = [list(group) for _, group in groupby(body, lambda name, depth=depth: _parent(name)[:depth])]  # type: ignore[misc]
        if len(blocks) < _MOST_BLOCKS:
            break
    return [*blocks, [head]]


def _parent(name: str) -> list[str]:
    """The parts of a layer's name that name its block: up to the first number, and the numbers that follow it."""
    parts = name.split(".")[:-1]
    end = next((place + 1 for place, part in enumerate(parts) if _NUMBERED.search(part)), len(parts))
    while end < len(parts) and parts[end].isdigit():
        end += 1
    return parts[:end]


def _common(names: Sequence[str]) -> str:
    parts = zip(*(_parent(name) for name in names), strict=False)
    shared = ".".join(part for part, *others in parts if {part, *others} == {part})
    return shared or f"{names[0]} … {names[-1]}"
