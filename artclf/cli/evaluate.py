"""`artclf evaluate`: which images, which folder, and what is printed."""

from pathlib import Path

import typer

from artclf.cli.console import name_of, name_unreadable, output_folder, read_images
from artclf.errors import ArtclfError
from artclf.inference.evaluate import EvaluateOptions, evaluate
from artclf.inference.finished_run import find_run
from artclf.inference.selection import own_images, select_images
from artclf.model.checkpoint import read_decision_rule
from artclf.report.robustness import describe_robustness, read_robustness
from artclf.report.terminal import print_results, screen
from artclf.run_folder import REPORT_FILE


def evaluate_model(run: Path, what: str | None, to: Path | None, split: str | None, options: EvaluateOptions) -> int:
    """Evaluate a model on images (None: its run's own), print its figures, and write the report into a new or empty folder.

    Returns:
        How many images can't be read.
    """
    finished = find_run(run)
    if what is None:
        selection = own_images(finished, split)
    else:
        selection = select_images(finished, read_images(what), name_of(what), split)
        rule = read_decision_rule(finished.checkpoint)
        if rule is not None and Path(rule.fitted_on) == Path(what).expanduser().absolute():
            selection.notes.append(f"calibration and thresholds were fitted to the images of {what}, so their figures flatter")
    root = selection.manifest.root
    for note in selection.notes:
        typer.echo(f"note: {note}", err=True)
    with output_folder(to, "evaluate") as folder:
        if any(folder.iterdir()):
            raise ArtclfError(f"--to {folder}: is not empty; give a new folder")
        metrics, unreadable = evaluate(folder, finished, selection, options)
    terminal = screen()
    print_results(terminal, f"{run} on {selection.name}", metrics)
    robustness = read_robustness(folder)
    for line in describe_robustness(robustness) if robustness is not None else ():
        terminal.print(line)
    terminal.print(f"page: {folder / REPORT_FILE}")
    return name_unreadable(unreadable, root, folder / "rejected.csv")
