"""`artclf compare`: finished runs side by side, and whether the best one's lead is more than chance."""

from collections.abc import Sequence
from pathlib import Path

from artclf.cli.console import output_folder
from artclf.errors import ArtclfError
from artclf.report import format as fmt
from artclf.report.comparison_page import Comparison, write_comparison
from artclf.report.terminal import FIGURES, screen, table
from artclf.run_folder import METRICS_FILE, runs_of


def compare_folders(folders: Sequence[Path], to: Path | None = None) -> None:
    """Compare finished runs (a multirun's folder stands for its own), print the comparison, and write it to a folder.

    Raises:
        ArtclfError: where a folder holds no finished run, there is only one, or their test sets differ.
    """
    runs: dict[Path, Path] = {}  # a run that is given twice is compared once
    failed: dict[str, str] = {}
    for folder in folders:
        finished, others = ([folder], {}) if (folder / METRICS_FILE).is_file() else runs_of(folder)
        if not finished:
            raise ArtclfError(f"{folder}: holds no finished run; give the folder of a run that has finished, or of a multirun")
        runs |= {run.resolve(): run for run in finished}
        failed |= {(name if len(folders) == 1 else f"{folder.name}/{name}"): reason for name, reason in others.items()}
    if len(runs) == 1:
        (run,) = runs.values()
        raise ArtclfError(f"{run}: the only finished run here; a comparison needs two runs or more: artclf compare RUN RUN")
    with output_folder(to, "compare") as folder:
        _print(write_comparison(folder, list(runs.values()), failed), folder)


def _print(comparison: Comparison, to: Path) -> None:
    rows = comparison.rows
    shown = {"run": True, "differs": rows["differs"].any(), "seed": rows["seed"].nunique() > 1}
    names = [name for name, wanted in shown.items() if wanted]
    cells = rows[[*names, *FIGURES]].copy()
    for key in FIGURES:
        cells[key] = rows[key].map(fmt.score if key == "auroc" else fmt.share)
    title = f"the same {fmt.plural(comparison.images['n'], 'test image')}"
    terminal = screen()
    columns = [*names, *FIGURES.values()]
    terminal.print(table(title, columns, cells.itertuples(index=False, name=None), text=range(len(names))))
    lines = [*comparison.standings, *comparison.cautions]
    lines += [f"failed: {name}: {reason}" for name, reason in comparison.failed.items()]
    for line in [*lines, f"page: {to / 'comparison.html'}"]:
        terminal.print(line)
