"""The network as a picture: its blocks in order, how large each is, and which part is trained."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from artclf.report import format as fmt
from artclf.report import style

_MOST_BLOCKS = 28  # side by side, names still legible
_FEWEST_PLACES = 14  # a network of three blocks is not to fill the paper with them
_LONGEST_NAME = 16
_NUMBERED = re.compile(r"(^|_)\d+$")


@dataclass(frozen=True)
class LayerRow:
    """A layer: a node of the executed graph.

    Attributes:
        name: dotted, as in the graph: ``layer4.2.conv1``.
        kind: what it does: ``Conv2d``, ``add``.
        parameters: how many numbers it holds.
        trained_in: the earliest stage that trains it; None: frozen throughout.
    """

    name: str
    kind: str
    parameters: int
    trained_in: str | None


@dataclass(frozen=True)
class Block:
    """Neighbouring layers that are drawn as one box."""

    name: str
    layers: tuple[LayerRow, ...]

    @property
    def parameters(self) -> int:
        """How many numbers its layers hold together."""
        return sum(layer.parameters for layer in self.layers)


def plot_network(layers: Sequence[LayerRow], title: str) -> Figure:
    """Plot a network as a row of blocks: frozen ones grey and hatched, trained ones in their stage's colour.

    A block's height goes with the square root of its parameters.

    Args:
        layers: in the order of execution; the head comes last.
        title: what is shown, in words.
    """
    blocks = blocks_of(layers)
    colors = _stage_colors(layers)
    legend = 0.25 * (len(colors) + 1)  # inches
    figure = style.paper(style.WIDE, 3.7 + legend)
    style.heading(figure, title)
    if not blocks:
        style.say(figure.subplots(), "This network has no layers.")
        return figure
    key, chain = figure.subplots(2, 1, height_ratios=[legend, 3.0])
    style.blank(key)
    style.blank(chain)
    _tell(key, layers, colors)
    most = max(1, *(block.parameters for block in blocks))
    first, last = -0.9, len(blocks) - 0.1
    arrow = {"arrowstyle": "-|>", "color": style.MUTED, "shrinkA": 0, "shrinkB": 0}
    chain.annotate("", (last, 0), (first, 0), arrowprops=arrow, zorder=0)
    for x, block in enumerate(blocks):
        # The square root keeps small blocks visible; the figures stand above them.
        _draw(chain, x, 0.05 + 0.95 * (block.parameters / most) ** 0.5, block, colors)
    chain.text(first - 0.1, 0, "picture", ha="right", va="center", fontsize=style.NORMAL, color=style.INK)
    chain.text(last + 0.1, 0, "p_ai", va="center", fontsize=style.NORMAL, fontweight="bold", color=style.INK)
    margin = max(_FEWEST_PLACES - len(blocks), 0) / 2
    chain.set_xlim(first - 1.6 - margin, last + 1.1 + margin)
    chain.set_ylim(-0.53, 0.62)
    return figure


def blocks_of(layers: Sequence[LayerRow]) -> list[Block]:
    """Group layers by the blocks that their dotted names tell of, at most 28; the last layer (the head) is a block by itself.

    ``layer4.2.conv1`` belongs to ``layer4.2``, ``encoder.layers.encoder_layer_3.ln_1`` to ``encoder.layers.encoder_layer_3``.
    Where that makes too many blocks, names are cut shorter. Neighbours that belong to no block make one together.
    """
    if not layers:
        return []
    *body, head = layers
    blocks: list[Block] = []
    for depth in range(max((layer.name.count(".") for layer in body), default=0), -1, -1):
        blocks = _group(body, depth)
        if len(blocks) < _MOST_BLOCKS:
            break
    return [*blocks, Block(head.name, (head,))]


def _group(body: Sequence[LayerRow], depth: int) -> list[Block]:
    runs = [(key, list(rows)) for key, rows in groupby(body, lambda layer: ".".join(_parent(layer.name)[:depth]))]
    blocks = []
    # What stands alone between blocks (a stem's layers, a last normalisation) is joined with its like.
    for alone, group in groupby(runs, lambda run: not run[0] or len(run[1]) == 1):
        if alone:
            rows = [layer for _, run in group for layer in run]
            blocks.append(Block(rows[0].name if len(rows) == 1 else f"{rows[0].name} … {rows[-1].name}", tuple(rows)))
        else:
            blocks += [Block(key, tuple(rows)) for key, rows in group]
    return blocks


def _parent(name: str) -> list[str]:
    """The parts of a layer's name that name its block: up to the first number, and the numbers that follow it."""
    parts = name.split(".")[:-1]
    numbered = [bool(_NUMBERED.search(part)) for part in parts]
    if True not in numbered:
        return parts
    end = numbered.index(True) + 1
    while end < len(parts) and parts[end].isdigit():
        end += 1
    return parts[:end]


def _stage_colors(layers: Sequence[LayerRow]) -> dict[str, str]:
    """A colour for each stage; from the head backwards is the order in which stages come."""
    names = list(dict.fromkeys(layer.trained_in for layer in reversed(layers) if layer.trained_in is not None))
    return {name: style.STAGES[index % len(style.STAGES)] for index, name in enumerate(names)}


def _draw(axes: Axes, x: int, height: float, block: Block, colors: Mapping[str, str]) -> None:
    left, width = x - 0.39, 0.78
    for stage, run in groupby(block.layers, lambda layer: layer.trained_in):
        part = width * len(list(run)) / len(block.layers)
        axes.add_patch(Rectangle((left, -height / 2), part, height, **_look(stage, colors)))
        left += part
    if block.parameters:
        size = fmt.size(block.parameters)
        axes.text(x, height / 2 + 0.02, size, ha="center", va="bottom", fontsize=style.SMALL - 1.5, color=style.MUTED)
    axes.text(
        x + 0.15,
        -0.56,
        _short(block.name),
        ha="right",
        va="top",
        rotation=50,
        rotation_mode="anchor",
        fontsize=style.SMALL - 0.5,
        color=style.INK,
    )


def _look(stage: str | None, colors: Mapping[str, str]) -> dict[str, Any]:
    if stage is None:
        return {"facecolor": style.FROZEN, "edgecolor": style.FROZEN_HATCH, "hatch": "////", "linewidth": 0}
    return {"facecolor": colors[stage], "linewidth": 0}


def _short(name: str) -> str:
    """Leave out the first parts of a long dotted name: what tells neighbours apart stands last."""
    while len(name) > _LONGEST_NAME and "." in name and " " not in name:
        name = name.split(".", 1)[1]
    return style.plain(name, 24)


def _tell(axes: Axes, layers: Sequence[LayerRow], colors: Mapping[str, str]) -> None:
    """Say, beside their looks, what is frozen and what each stage trains."""
    frozen_first = sorted({layer.trained_in for layer in layers}, key=[None, *colors].index)
    for row, stage in enumerate(frozen_first):
        part = [layer for layer in layers if layer.trained_in == stage]
        number = sum(layer.parameters for layer in part)
        size = f"{fmt.plural(len(part), 'layer')}, {fmt.size(number)} {'parameter' if number == 1 else 'parameters'}"
        what = "frozen throughout" if stage is None else f'trained from stage "{style.plain(stage, 24)}" on'
        axes.add_patch(Rectangle((0.0, -row - 0.36), 0.26, 0.72, **_look(stage, colors)))
        axes.text(0.36, -row, f"{what}: {size}", va="center", fontsize=style.NORMAL, color=style.INK)
    axes.set_xlim(0, style.WIDE)
    axes.set_ylim(0.5 - len(frozen_first), 0.5)
