"""`artclf audit`: what a data set holds and what a classifier could cheat with, in the terminal and as one page."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from artclf.cli.arguments import DEMO, name_of, output_folder, read_images
from artclf.cli.console import name_unreadable
from artclf.data.canonical import Canonical
from artclf.data.facts import DEFAULT_SAMPLE, Survey, survey_files
from artclf.errors import ArtclfError
from artclf.inference.audit import audit_images
from artclf.report.data_page import AUDIT_FILE, audit_in_words, describe, how_it_was_done, write_dataset
from artclf.report.figures.data import count_images
from artclf.report.terminal import screen, table
from artclf.run_folder import as_json, write_text

SIZE, DEMO_SIZE = 224, 96  # data.image_size in conf/data: what canonical images are made for


def audit_data(
    what: str, to: Path | None, *, json: Path | None, sample: int | None, read_all: bool, seed: int, quick: bool
) -> int:
    """Look at a data set, print what was found, and write the page.

    Args:
        what: as for `read_images`.
        to: the folder of the page; None for outputs/audit/NAME.
        json: a file to write the audit to, besides the page's audit.json.
        sample: how many files are opened; None for 5,000.
        read_all: open every file.
        seed: of the sample, the folds and the forests.
        quick: read the headers alone, and audit nothing.

    Returns:
        How many of the files that were opened can't be read.

    Raises:
        ArtclfError: where there are no images, options contradict each other, or a file can't be written.
    """
    if read_all and sample is not None:
        raise ArtclfError(f"--all and --sample {sample}: got both; --all reads every file, --sample N only N of them")
    if json is not None and quick:
        raise ArtclfError(f"--json {json}: holds an audit, which --quick leaves out; type one of the two")
    if json is not None and (json.is_dir() or not json.parent.is_dir()):
        raise ArtclfError(f"--json {json}: {'is a folder' if json.is_dir() else 'its folder does not exist'}; give a file")
    manifest = read_images(what)
    folder = output_folder(to or Path("outputs", "audit", name_of(what)), Path(what).expanduser().resolve())
    files = None if read_all else sample or DEFAULT_SAMPLE
    found = None
    if quick:
        (folder / AUDIT_FILE).unlink(missing_ok=True)  # of an earlier audit
        survey = survey_files(manifest, sample=files, seed=seed)
    else:
        form = Canonical.for_size(DEMO_SIZE if what == DEMO else SIZE)
        survey, found = audit_images(manifest, form, sample=files, seed=seed)
        folder.mkdir(parents=True, exist_ok=True)
        for file in (folder / AUDIT_FILE, *([json] if json else [])):
            write_text(file, as_json(found))
    options = {"--quick": quick, "--all": read_all, f"--sample={sample}": sample, f"--seed={seed}": seed}
    command = shlex.join(["artclf", "audit", what, *(option for option, given in options.items() if given)])
    page, survey, warning = write_dataset(folder, survey, name=name_of(what), seed=seed, demo=what == DEMO, command=command)
    _print(survey, found, warning, seed, page)
    return len(survey.unreadable)


def _print(survey: Survey, found: dict[str, Any] | None, warning: str, seed: int, page: Path) -> None:
    terminal = screen()
    title, _, read = describe(survey, seed)
    terminal.print(table(title, ("split", "label", "generator", "images"), _counts(survey), text=(0, 1, 2)))
    lines = [read]
    if found is None:
        lines.append(warning)
    else:
        columns = ("fact, alone", "AUROC", "95% interval", "severity", "human images", "AI images")
        terminal.print(table("what tells the classes apart", columns, _facts(found), text=(0, 3, 4, 5)))
        lines += [how_it_was_done(found), "", *audit_in_words(found)]
    for line in lines:
        terminal.print(line, markup=False)
    name_unreadable(survey.unreadable, survey.manifest.root, page.parent / "unreadable.csv")
    terminal.print(f"page: {page}", markup=False)


def _counts(survey: Survey) -> Iterator[tuple[str, ...]]:
    counts = count_images(survey.manifest.table)
    for split in counts.columns.drop("together"):
        held = counts.loc[counts[split] > 0, split].reset_index(name="number")
        for label, generator, number in held.itertuples(index=False):
            yield split or "none given", label, "" if label == "human" else generator, f"{number:,}"
    yield "together", "", "", f"{counts['together'].sum():,}"


def _facts(found: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    exif = [found["exif"]] if found["exif"] else []
    for fact in [*found["file_facts"]["top"], *found["pixel_statistics"]["top"], *exif]:
        low, high = fact["auroc_interval"]
        interval = "the same in all" if fact["constant"] else f"{low:.3f} to {high:.3f}"
        severity = "–" if fact["severity"] == "none" else fact["severity"]
        yield fact["fact"], f"{fact['auroc']:.3f}", interval, severity, fact["human"], fact["ai"]
