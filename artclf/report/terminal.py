"""Tables in the terminal."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from artclf.evaluation.decision import THRESHOLD
from artclf.evaluation.gap import FIGURES as COMPARED
from artclf.evaluation.gap import Row
from artclf.report import format as fmt
from artclf.report.findings import THRESHOLDS, broken_guarantees, findings, guessing, measured, thresholds

FIGURES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "auroc": "AUROC",
    "false_positive_rate": "human\ncalled AI",
    "false_negative_rate": "AI\ncalled human",
}


def screen() -> Console:
    """The terminal; wide where it is a file or a pipe. Names are printed as they are: [bold] or :smile: is no markup."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, text: Iterable[int] = (0,)) -> Table:
    """Make a table; the columns numbered in `text` stand left and may be broken into lines, the others right."""
    made = Table(title=title, title_justify="left")
    left = set(text)
    for place, heading in enumerate(columns):
        if place in left:
            made.add_column(heading, overflow="fold")
        else:
            made.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        made.add_row(*row)
    return made


def rows_table(title: str, first: str, rows: Sequence[Row]) -> Table:
    """Make a table of seen or unseen images, a row each; `first` is what the rows are named by."""
    columns = (first, "AI", "human", *(heading.replace(" ", "\n", 1) for heading in COMPARED.values()))
    counts = [(fmt.count(row.ai), fmt.count(row.human)) for row in rows]
    figures = [[fmt.figure(row.estimates[name].value, name) for name in COMPARED] for row in rows]
    cells = [(row.name, *count, *figure) for row, count, figure in zip(rows, counts, figures, strict=True)]
    return table(title, columns, cells)


def print_results(console: Console, title: str, metrics: Mapping[str, Any]) -> None:
    """Print the verdicts of each split, its figures, and what else metrics.json says."""
    rows = [
        (name, fmt.count(split["n"]), *(fmt.figure(split[key], key) for key in FIGURES))
        for name, split in metrics["splits"].items()
    ]
    console.print("\n".join(measured(metrics).values()))
    console.print(table(f"{title} (at the threshold {THRESHOLD})", ("split", "images", *FIGURES.values()), rows))
    if rows := thresholds(metrics):
        console.print(table("thresholds of the verdicts", THRESHOLDS, rows, text=(0, 3, 4, 6)))
    for line in [*broken_guarantees(metrics), *guessing(metrics), *findings(metrics)]:
        console.print(line)
