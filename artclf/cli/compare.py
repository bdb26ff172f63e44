"""`artclf compare`: finished runs side by side, and whether the best one's lead is more than chance."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from artclf.errors import ArtclfError
from artclf.report import format as fmt
from artclf.report.comparison_page import Comparison, compare_runs, write
from artclf.report.terminal import table
from artclf.run_folder import runs_of

_WIDE = 100  # letters of a terminal that holds all columns


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
    console.print(_table(comparison, wide=console.width >= _WIDE))
    lines = [*comparison.standings, *comparison.cautions]
    lines += [f"failed: {name}: {reason}" for name, reason in comparison.failed.items()]
    for line in [*lines, f"page: {to / 'comparison.html'}"]:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _table(comparison: Comparison, *, wide: bool) -> Table:
    rows = comparison.rows
    names = {"run": True, "differs": rows["differs"].any(), "seed": rows["seed"].nunique() > 1}
    texts = [name for name, shown in names.items() if shown]
    figures = [
        "accuracy",
        "balanced",
        "AUROC",
        "human\ncalled AI",
        "AI\ncalled human",
        *(["parameters", "time"] if wide else []),
    ]

    def cells(row: dict[Any, Any]) -> list[str]:
        return [
            fmt.share(row["accuracy"]),
            fmt.share(row["balanced_accuracy"]),
            fmt.score(row["auroc"]),
            f"{fmt.share(row['false_positive_rate'])}\n({fmt.count(row['false_positives'])})",
            f"{fmt.share(row['false_negative_rate'])}\n({fmt.count(row['false_negatives'])})",
            fmt.size(row["parameters"]),
            fmt.duration(row["seconds"]),
        ][: len(figures)]

    return table(
        f"the same {fmt.plural(len(comparison.runs[0].images), 'test image')}",
        [*texts, *figures],
        [[*(row[name] for name in texts), *cells(row)] for row in rows.to_dict("records")],
        text=range(len(texts)),
    )
