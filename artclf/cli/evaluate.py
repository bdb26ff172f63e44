"""`artclf evaluate`: which images, which folder, and what is printed."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import typer

from artclf.cli.arguments import name_of, output_folder, read_images
from artclf.cli.console import name_unreadable
from artclf.inference.evaluate import EvaluateOptions, evaluate
from artclf.inference.finished_run import FinishedRun, find_run
from artclf.inference.selection import Selection, own_images, select_images
from artclf.model.checkpoint import read_decision_rule
from artclf.report.robustness import describe_robustness, read_robustness
from artclf.report.terminal import screen, splits_table


def evaluate_model(run: Path, what: str | None, to: Path | None, split: str | None, options: EvaluateOptions) -> int:
    """Evaluate a model, print its figures, and write the report; return how many images can't be read.

    Args:
        run: a run folder or a checkpoint.
        what: as for `read_images`; None for the images that the run was tested on.
        to: the folder of the report; None for a new outputs/evaluate/<date>_<time>.
        split: the only split to take; None for all.
        options: what is asked for.
    """
    finished = find_run(run)
    selection = own_images(finished, split) if what is None else _select(finished, what, split)
    root = selection.manifest.root
    folder = output_folder(to or Path("outputs", "evaluate", f"{datetime.now():%Y-%m-%d_%H-%M-%S}"), root, empty=True)
    for note in selection.notes:
        typer.echo(f"note: {note}", err=True)
    metrics, unreadable = evaluate(folder, finished, selection, options)
    terminal = screen()
    terminal.print(splits_table(f"{run} on {selection.name}", metrics))
    if (found := read_robustness(folder)) is not None:
        for line in describe_robustness(found):
            terminal.print(line, markup=False)
    name_unreadable(unreadable, root, folder / "rejected.csv")
    terminal.print(f"page: {folder / 'report.html'}", markup=False)
    return len(unreadable)


def _select(run: FinishedRun, what: str, split: str | None) -> Selection:
    selection = select_images(run, read_images(what), name_of(what), split)
    rule = read_decision_rule(run.checkpoint)
    if rule is None or Path(rule.fitted_on) != Path(what).expanduser().absolute():
        return selection
    note = f"calibration and thresholds were fitted to the images of {what} themselves, so their figures flatter: give others"
    return replace(selection, notes=[*selection.notes, note])
