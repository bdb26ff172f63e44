"""`artclf compare`: finished runs side by side, and whether the best one's lead is more than chance."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from artclf.errors import ArtclfError
from artclf.report import format as fmt
from artclf.report.comparison_page import Comparison, write_comparison
from artclf.report.terminal import FIGURES, screen, table
from artclf.run_folder import METRICS_FILE, runs_of


def compare_folders(folders: Sequence[Path], to: Path | None = None) -> None:
    """Compare finished runs, print the comparison, and write it.

    Args:
        folders: run folders, and folders of multiruns, which stand for their finished runs.
        to: where the comparison goes; by default a new folder outputs/compare/<date>_<time>.

    Raises:
        ArtclfError: where a folder holds no finished run, fewer than two are left, or their test sets differ.
    """
    to = to or Path("outputs", "compare", f"{datetime.now():%Y-%m-%d_%H-%M-%S}")
    if to.exists() and not to.is_dir():
        raise ArtclfError(f"--to {to}: is a file; give a folder")
    runs: dict[Path, Path] = {}  # a run that is given twice is compared once
    failed: dict[str, str] = {}
    for folder in folders:
        finished, others = _runs_below(folder)
        for run in finished:
            runs.setdefault(run.resolve(), run)
        failed |= {(name if len(folders) == 1 else f"{folder.name}/{name}"): reason for name, reason in others.items()}
    if len(runs) == 1:
        (run,) = runs.values()
        raise ArtclfError(f"{run}: the only finished run here; a comparison needs two runs or more: artclf compare RUN RUN")
    try:
        comparison = write_comparison(to, list(runs.values()), failed)
    except OSError as error:
        raise ArtclfError(f"{to}: the comparison can't be written ({error}); give another folder with --to") from error
    _print(comparison, to)


def _runs_below(folder: Path) -> tuple[list[Path], dict[str, str]]:
    """The finished runs that a folder stands for, and the reasons why others in it have not finished."""
    if (folder / METRICS_FILE).is_file():
        return [folder], {}
    finished, failed = runs_of(folder)
    if not finished:
        problem = "no metrics.json in this folder or in one below it" if folder.is_dir() else "there is no such folder"
        problem += f"; its {fmt.plural(len(failed), 'run')} failed" if failed else ""
        raise ArtclfError(f"{folder}: {problem}; give the folder of a run that has finished, or of a multirun")
    return finished, failed


def _print(comparison: Comparison, to: Path) -> None:
    rows = comparison.rows
    shown = {"run": True, "differs": rows["differs"].any(), "seed": rows["seed"].nunique() > 1}
    names = [name for name, wanted in shown.items() if wanted]
    cells = rows[[*names, *FIGURES]].copy()
    for key in FIGURES:
        cells[key] = rows[key].map(fmt.score if key == "auroc" else fmt.share)
    title = f"the same {fmt.plural(len(comparison.runs[0].images), 'test image')}"
    terminal = screen()
    columns = [*names, *FIGURES.values()]
    terminal.print(table(title, columns, cells.itertuples(index=False, name=None), text=range(len(names))))
    lines = [*comparison.standings, *comparison.cautions]
    lines += [f"failed: {name}: {reason}" for name, reason in comparison.failed.items()]
    for line in [*lines, f"page: {to / 'comparison.html'}"]:
        terminal.print(line, markup=False)
