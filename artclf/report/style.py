"""How every picture looks: colours, type and paper, in one place.

AI is orange and human is blue, everywhere: the two stay apart in all common kinds of colour blindness. Colour tells who
made a work; words tell whether the verdict was right.
"""

import textwrap
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.image import AxesImage
from matplotlib.layout_engine import LayoutEngine
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray
from PIL import Image, ImageChops

AI = "#C4542B"
HUMAN = "#1F6C9E"
INK = "#24272C"
MUTED = "#686E78"
GRID = "#E7E5E0"
PAPER = "#FFFFFF"
FROZEN = "#D9DBDF"
FROZEN_HATCH = "#BFC3CA"
STAGES = ("#2F8061", "#D6A02C", "#76519A", "#8A8F3C", "#3E8A99")
RUNS = ("#1B1F24", "#2F8061", "#D6A02C", "#76519A", "#3E8A99", "#A8656F")

DPI = 150
NARROW = 5.2  # inches; two of these stand side by side on a page, or one fills a phone
WIDE = 9.6
LARGE, NORMAL, SMALL = 12.5, 10.5, 9.0  # points

CHART_BYTES = 150_000  # a page embeds a dozen figures
PAINTINGS_BYTES = 300_000  # paintings compress worse, and are there to be looked at


def paper(width: float, height: float) -> Figure:
    """An empty figure, width × height inches, that lays itself out."""
    return Figure(figsize=(width, height), facecolor=PAPER, layout="constrained")


def heading(figure: Figure, text: str) -> None:
    """Set the title of a whole figure, at the left; a long one takes more lines."""
    letters = int(figure.get_figwidth() * 72 / (0.61 * LARGE))
    figure.suptitle(
        plain("\n".join(textwrap.wrap(text, letters))), x=0.01, ha="left", fontsize=LARGE, fontweight="bold", color=INK
    )


def title(axes: Axes, text: str, **look: Any) -> None:
    """Set the title of axes that have no tick labels above them: matplotlib looks for some each time, which costs a tenth."""
    axes.set_title(text, y=1.0, **look)


def tidy(axes: Axes, grid: Literal["x", "y", "both"] | None = "y") -> None:
    """Leave of the axes what is needed to read a value: a light grid (``"x"``, ``"y"``, ``"both"``), no box."""
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=MUTED, pad=5)
    axes.xaxis.label.set(color=MUTED, fontsize=SMALL + 0.5)
    axes.yaxis.label.set(color=MUTED, fontsize=SMALL + 0.5)
    axes.set_axisbelow(True)
    if grid is not None:
        axes.grid(axis=grid, color=GRID, linewidth=0.9)


def percent(axis: Axis) -> None:
    """Label an axis of shares in round percents."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(PercentFormatter(1.0, decimals=0 if high - low > 0.05 else 1))


def blank(axes: Axes) -> None:
    """Leave nothing of the axes but what is drawn into them."""
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)


def say(axes: Axes, text: str) -> None:
    """Write a sentence where there is nothing to plot."""
    blank(axes)
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=MUTED, fontsize=NORMAL)


def colour(label: str) -> str:
    """Return the colour of ``"ai"`` or ``"human"``."""
    return {"ai": AI, "human": HUMAN}[label]


def shade(color: str, strength: float) -> str:
    """Mix a colour with the paper: strength 1 is the colour itself, 0 the paper."""
    ink, paper = np.array(to_rgb(color)), np.array(to_rgb(PAPER))
    return to_hex(paper + (ink - paper) * strength)


def dark(color: str) -> str:
    """Mix a colour with ink, so that it can be read as text on paper."""
    return to_hex((np.array(to_rgb(color)) + np.array(to_rgb(INK))) / 2)


def ink_on(color: str) -> str:
    """Return the colour of text, dark or light, that is legible on a colour."""
    brightness = np.array(to_rgb(color)) @ (0.299, 0.587, 0.114)
    return INK if brightness > 0.56 else PAPER


def tints(names: Sequence[str], label: str) -> dict[str, str]:
    """Return a tint of the label's colour for each generator, from full to light in the order of the names."""
    strengths = np.linspace(1.0, 0.38, max(len(names), 2))
    return {name: shade(colour(label), float(strength)) for name, strength in zip(names, strengths, strict=False)}


def run_colours(number: int) -> list[str]:
    """Return a colour for each of so many runs, the best first; those that the eye could no longer tell apart are grey."""
    return [*RUNS, *[FROZEN_HATCH] * (number - len(RUNS))][:number]


def plain(text: str, limit: int | None = None, *, keep: Literal["start", "end"] = "start") -> str:
    """Make any text safe to draw: no mathematics between dollars, no glyphs that the font lacks, at most limit letters.

    Of a longer text the start is kept, or the end: names made of dates differ there.
    """
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…" if keep == "start" else "…" + text[len(text) - limit + 1 :]
    drawable = "".join(letter if ord(letter) in _glyphs() or letter == "\n" else "□" for letter in text)
    return drawable.replace("$", r"\$")


@cache
def _glyphs() -> frozenset[int]:
    """The letters that the font has, by their numbers."""
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG: a chart under 150 KB, if need be in 256 colours; paintings in as many, dithered, under 300 KB.

    What would be larger all the same at 150 dots an inch is drawn with fewer.
    """
    paintings = any(axes.images for axes in figure.axes)
    limit = PAINTINGS_BYTES if paintings else CHART_BYTES
    figure.set_dpi(DPI)
    cast(LayoutEngine, figure.get_layout_engine()).execute(figure)
    figure.set_layout_engine("none")  # where everything stands is settled, and not to be found out at each drawing
    dpi = _fewer_dots(DPI, _paintings_bytes(figure), limit) if paintings else float(DPI)
    encoded = _png(figure, dpi, paintings)
    while len(encoded) > limit and dpi > DPI / 3:
        dpi = _fewer_dots(dpi, len(encoded), limit)
        encoded = _png(figure, dpi, paintings)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded)
    return path


def _fewer_dots(dpi: float, size: int, limit: int) -> float:
    """The dots an inch with which a file of this size becomes one below the limit; the same where it is."""
    # the fewer dots, the more of the picture in each: bytes grow by less than the square
    return dpi if size <= limit else dpi * 0.97 * (limit / size) ** (1 / 1.7)


def _paintings_bytes(figure: Figure) -> int:
    """About how large a figure of paintings will be, from these alone: to draw it and see takes three times as long."""
    tiles = []
    for axes in figure.axes:
        axes.apply_aspect()
        extent = axes.get_window_extent()
        size = max(round(extent.width), 1), max(round(extent.height), 1)
        tiles += [Image.fromarray(_bytes(image)).resize(size) for image in axes.images]
    strip = Image.new("RGB", (sum(tile.width for tile in tiles), max(tile.height for tile in tiles)))
    left = 0
    for tile in tiles:
        strip.paste(tile, (left, 0))
        left += tile.width
    return len(_encoded(_few_colours(strip)))


def _bytes(image: AxesImage) -> NDArray[np.uint8]:
    """A picture's pixels as they are drawn: [H, W, 3]."""
    return image.to_rgba(np.asarray(image.get_array()), bytes=True)[..., :3]


def _png(figure: Figure, dpi: float, paintings: bool) -> bytes:
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    # `savefig` would draw twice for the layout, and encode what is encoded anew below
    canvas.draw()  # type: ignore[no-untyped-call]
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]
    if paintings:
        return _encoded(_few_colours(image))
    encoded = _encoded(image)
    # 256 colours are half the bytes; what goes are shades at the edges of letters
    return encoded if len(encoded) <= CHART_BYTES else _encoded(image.quantize(dither=Image.Dither.NONE))


def _encoded(image: Image.Image) -> bytes:
    encoded = BytesIO()
    image.save(encoded, format="PNG", compress_level=6)  # the highest level takes four times as long, for 2% less
    return encoded.getvalue()


def _few_colours(image: Image.Image) -> Image.Image:
    """Reduce to 256 dithered colours, in which white paper stays exactly white."""
    # Fifty times as fast as the median cut, and on paintings a little nearer to their colours once dithered.
    palette = image.quantize(255, method=Image.Quantize.FASTOCTREE)
    palette.putpalette([*(palette.getpalette() or [])[: 3 * 255], 255, 255, 255])
    reduced = image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    red, green, blue = image.split()
    darkest = ImageChops.darker(ImageChops.darker(red, green), blue)
    reduced.paste(255, mask=darkest.point([0] * 255 + [255]))
    return reduced
