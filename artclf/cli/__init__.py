"""`artclf …`: commands on finished runs and on images. Heavy libraries are loaded where a command needs them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import artclf
from artclf.cli.cache import app as cache_commands
from artclf.cli.case import case
from artclf.cli.console import (
    Commands,
    MaxPixels,
    Precision,
    Run,
    To,
    command_line,
    name_of,
    name_unreadable,
    output_folder,
    read_images,
)
from artclf.cli.data import app as data_commands
from artclf.cli.data import audit
from artclf.cli.export import export
from artclf.cli.predict import predict
from artclf.cli.provenance import provenance
from artclf.cli.serve import serve
from artclf.cli.share import card, push
from artclf.data.files import DEFAULT_MAX_PIXELS
from artclf.errors import ArtclfError
from artclf.run_folder import REPORT_FILE
from artclf.runtime import quick_imports

if TYPE_CHECKING:
    from artclf.inference.evaluate import Evaluated
    from artclf.inference.finished_run import FinishedRun, Selection

app = typer.Typer(
    name="artclf",
    cls=Commands,
    help="Tell AI-generated art from human-made art.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.add_typer(data_commands, name="data")
app.add_typer(cache_commands, name="cache")
app.command()(predict)
app.command()(case)
app.command()(audit)
app.command()(provenance)
app.command()(export)
app.command()(card)
app.command()(push)
app.command()(serve)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(artclf.__version__)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def train(context: typer.Context) -> None:
    """Train a model, as `python train.py` does: artclf train --help."""
    sys.argv[1:] = context.args
    from artclf.training.launch import main  # noqa: PLC0415 (loads Hydra)

    main()


@app.command()
def calibrate(
    run: Run,
    images: Annotated[Path, typer.Option(help="Labelled images: a folder with ai/ and human/, AI-ArtBench, or a CSV file.")],
    false_positive_rate: Annotated[float, typer.Option(min=0.0001, max=0.9999, help="Target: human images called ai.")] = 0.01,
    false_negative_rate: Annotated[float, typer.Option(min=0.0001, max=0.9999, help="Target: AI images called human.")] = 0.05,
    method: Annotated[
        Literal["auto", "temperature", "platt", "isotonic", "none"], typer.Option(help="auto: the best in cross-validation.")
    ] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print it alone: save nothing.")] = False,
    max_pixels: MaxPixels = DEFAULT_MAX_PIXELS,
) -> int:
    """Fit a model's probabilities and verdicts anew to about a hundred labelled images, and save them with it.

    The network stays as it is. An image that can't be read is named, and the others go on; the exit code is then 1.
    """
    with quick_imports():
        from artclf.inference.calibrate import calibrate as fit  # noqa: PLC0415 (loads torch)
        from artclf.report.render import lines  # noqa: PLC0415 (loads jinja2)
    rates = {"false_positive_rate": false_positive_rate, "false_negative_rate": false_negative_rate}
    new = fit(run, images, max_pixels=max_pixels, method=method, **rates)
    for path, reason in new.found["unreadable"].items():
        typer.echo(f"error: {path}: {reason}", err=True)
    for line in lines("calibration.txt", found=new.found, rule=new.rule):
        typer.echo(line)
    if dry_run:
        typer.echo("nothing was saved (--dry-run)")
    else:
        typer.echo(f"saved in {' and '.join(map(str, new.save()))}")
    return len(new.found["unreadable"])


@app.command()
def evaluate(
    run: Run,
    sets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SET]...",
            help="Folders with ai/ and human/, CSV files, ai_artbench, demo; without any, the run's own test images.",
        ),
    ] = None,
    to: To = None,
    split: Annotated[str | None, typer.Option(help="Take this split alone.", show_default="all but train")] = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Score a sample also compressed, scaled, blurred, …")
    ] = False,
    sample: Annotated[int | None, typer.Option(min=2, help="How many images --robustness takes.", show_default="300")] = None,
    reencoded: Annotated[
        bool, typer.Option("--reencoded", help="With --robustness: a second time, all re-encoded alike first. Twice the time.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample and of noise.")] = 0,
    precision: Precision = "auto",
    max_pixels: MaxPixels = DEFAULT_MAX_PIXELS,
) -> int:
    """Test a finished model on data sets, and write a report of each, and a page of seen and unseen images side by side.

    Images that the model was trained on are left out. One that can't be read is named; the exit code is then 1.
    """
    if (sample or reencoded) and not robustness:
        raise ArtclfError("--sample, --reencoded: take effect with --robustness alone; add it")
    with quick_imports():
        from artclf.inference.evaluate import SAMPLE, EvaluateOptions  # noqa: PLC0415 (loads torch)
        from artclf.inference.evaluate import evaluate as test  # noqa: PLC0415
        from artclf.inference.finished_run import find_run, own_images  # noqa: PLC0415
        from artclf.report.terminal import rows_table, screen  # noqa: PLC0415
    finished = find_run(run)
    selections = _select(finished, sets, split) if sets else [own_images(finished, split)]
    for note in [note for selection in selections for note in selection.notes]:
        typer.echo(f"note: {note}", err=True)
    options = EvaluateOptions((sample or SAMPLE) if robustness else 0, reencoded, seed, precision, command_line(), max_pixels)
    with output_folder(to, "evaluate") as folder:
        if any(file.name != ".lock" for file in folder.iterdir()):
            raise ArtclfError(f"--to {folder}: is not empty; give a new folder")
        page = folder / "unseen" if sets else None
        folders = {folder / one.name if len(selections) > 1 else folder: one for one in selections}
        found, rows, sentences = test(folders, finished, options, page)
    unread = sum(_print_evaluation(run, selection, one) for selection, one in zip(selections, found, strict=True))
    if page is not None:
        terminal = screen()
        terminal.print(rows_table("Seen and unseen images, verdicts by the run's thresholds", "images", rows))
        for line in [*sentences, f"page: {page}.html"]:
            terminal.print(line)
    return unread


def _select(finished: "FinishedRun", sets: list[str], split: str | None) -> list["Selection"]:
    """Select the images of data sets that a model was not trained on; of two with one name, the folder above names them too."""
    from artclf.inference.finished_run import select_images  # noqa: PLC0415 (loads torch)
    from artclf.inference.torch_scorer import read_rule  # noqa: PLC0415

    names = [name_of(one) for one in sets]
    paths = [Path(one).expanduser().absolute() for one in sets]
    names = [name if names.count(name) == 1 else f"{path.parent.name}_{name}" for name, path in zip(names, paths, strict=True)]
    if len(set(names)) < len(names):
        raise ArtclfError(f"{' '.join(sets)}: two of these would share a name; give each once, or rename a folder")
    rule, selections = read_rule(finished), []
    for data, name, path in zip(sets, names, paths, strict=True):
        selections.append(select_images(finished, read_images(data), name, split))
        if rule is not None and Path(rule.fitted_on) == path:
            line = f"calibration and thresholds were fitted to the images of {data}, so their figures flatter"
            selections[-1].notes.append(line)
    return selections


def _print_evaluation(run: Path, selection: "Selection", found: "Evaluated") -> int:
    """Print what an evaluation found, and where its page is; return how many images can't be read."""
    from artclf.report.robustness import describe_robustness, read_robustness  # noqa: PLC0415 (loads matplotlib)
    from artclf.report.terminal import print_results, screen  # noqa: PLC0415

    terminal = screen()
    print_results(terminal, f"{run} on {selection.name}", found.metrics)
    robustness = read_robustness(found.folder)
    lines = describe_robustness(robustness) if robustness is not None else ()
    for line in [*lines, f"page: {found.folder / REPORT_FILE}"]:
        terminal.print(line)
    return name_unreadable(found.unreadable, selection.manifest.root, found.folder / "rejected.csv")


@app.command()
def report(run: Annotated[Path, typer.Argument(help="The folder of a finished run, or of an evaluation.")]) -> None:
    """Draw a run's figures and write its report.html anew, from what lies in its folder."""
    from artclf.report.run_page import write_report  # noqa: PLC0415 (loads matplotlib)

    typer.echo(f"page: {write_report(run)}")


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders; that of a multirun stands for its runs.")],
    to: To = None,
) -> None:
    """Compare finished runs on the same test images: a table, figures, and whether the difference is real."""
    from artclf.cli.compare import compare_folders  # noqa: PLC0415 (loads matplotlib)

    compare_folders(runs, to)
