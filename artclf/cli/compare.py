"""`artclf compare`: finished runs side by side, and whether the best one's lead is more than chance."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from artclf.errors import ArtclfError
from artclf.report import format as fmt
from artclf.report.comparison_page import Comparison, compare_runs, write
from artclf.run_folder import runs_of

_WIDE = 100  # letters of a terminal that holds all columns
_NARROW = {"run": 14, "differs": 11, "seed": 4}  # letters that a narrower one has for what can be broken into lines


def compare_folders(folders: Sequence[Path], to: Path | None = None) -> tuple[Comparison, Path]:
    """Compare finished runs and write the comparison.

    Args:
        folders: run folders, and folders of multiruns, which stand for their finished runs.
        to: where the comparison goes; by default a new folder outputs/compare/<date>_<time>.

    Returns:
        The comparison, and the folder that it was written to.

    Raises:
        ArtclfError: where a folder holds no finished run, fewer than two are left, or their test sets differ.
    """
    to = to or Path("outputs", "compare", f"{datetime.now():%Y-%m-%d_%H-%M-%S}")
    if to.exists() and not to.is_dir():
        raise ArtclfError(f"--to {to}: is a file; give a folder")
    runs: list[Path] = []
    failed: dict[str, str] = {}
    for folder in folders:
        finished, stopped = _runs_below(folder)
        runs += finished
        failed |= {(name if len(folders) == 1 else f"{folder.name}/{name}"): reason for name, reason in stopped.items()}
    once = list({run.resolve(): run for run in reversed(runs)}.values())[::-1]
    if len(once) == 1:
        why = "given more than once" if len(runs) > 1 else "the only finished run here"
        raise ArtclfError(f"{once[0]}: {why}; a comparison needs two runs or more: artclf compare RUN RUN")
    comparison = compare_runs(to, once, failed)
    try:
        write(to, comparison)
    except OSError as error:
        raise ArtclfError(f"{to}: the comparison can't be written ({error}); give another folder with --to") from error
    return comparison, to


def _runs_below(folder: Path) -> tuple[list[Path], dict[str, str]]:
    if (folder / "metrics.json").is_file():
        return [folder], {}
    if not folder.is_dir():
        raise ArtclfError(f"{folder}: there is no such folder; give the folder of a run that has finished, or of a multirun")
    finished, failed = runs_of(folder)
    if not finished:
        why = f"; its {fmt.plural(len(failed), 'run')} failed" if failed else ""
        raise ArtclfError(
            f"{folder}: no metrics.json in this folder or in one below it{why}; give the folder of a run that has finished, or "
            "of a multirun"
        )
    return finished, failed


def show_comparison(comparison: Comparison, to: Path, console: Console) -> None:
    """Print the table, what it says, and where the page lies; a narrow terminal gets no parameters and times."""
    columns: list[tuple[str, Callable[[Mapping[Any, Any]], str]]] = [
        ("accuracy", lambda row: fmt.share(row["accuracy"])),
        ("balanced", lambda row: fmt.share(row["balanced_accuracy"])),
        ("AUROC", lambda row: fmt.score(row["auroc"])),
        (
            "human\ncalled AI",
            lambda row: f"{fmt.share(row['false_positive_rate'])}\n({fmt.count(row['false_positives'])})",
        ),
        (
            "AI\nmissed",
            lambda row: f"{fmt.share(row['false_negative_rate'])}\n({fmt.count(row['false_negatives'])})",
        ),
        ("parameters", lambda row: fmt.size(row["parameters"])),
        ("time", lambda row: fmt.duration(row["seconds"])),
    ]
    wide = console.width >= _WIDE
    columns = columns if wide else columns[:5]
    rows = comparison.rows
    texts = ["run", *(["differs"] if rows["differs"].any() else []), *(["seed"] if rows["seed"].nunique() > 1 else [])]
    title = f"the same {fmt.plural(len(comparison.runs[0].paths), 'test picture')}"
    table = Table(title=title, box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for name in texts:
        table.add_column(
            "what differs" if name == "differs" else name, overflow="fold", max_width=None if wide else _NARROW[name]
        )
    for name, _ in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows.to_dict("records"):
        table.add_row(*[escape(row[name]) for name in texts], *[text(row) for _, text in columns])
    console.print(table)
    lines = [*comparison.standings, *comparison.cautions]
    lines += [f"failed: {name}: {reason}" for name, reason in comparison.failed.items()]
    for line in [*lines, f"page: {to / 'comparison.html'}"]:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
