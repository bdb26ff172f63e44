"""`artclf audit`: what a classifier could cheat with, as a table and words in the terminal, as a page, and for machines."""

import shlex
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from artclf.cli.show import AI_ARTBENCH, DEMO, free_folder, name_unreadable, read_source_or_path
from artclf.data.canonical import Canonical
from artclf.data.facts import DEFAULT_SAMPLE, Survey
from artclf.errors import ArtclfError
from artclf.inference.audit import audit_pictures, write_audit, write_found
from artclf.report.audit import audit_section, how_it_was_done, in_words
from artclf.report.data_page import headline
from artclf.report.render import render

_SIZE, _DEMO_SIZE = 224, 96  # data.image_size in conf/data: what canonical pictures are made for


def audit_data(what: str, to: Path | None, *, json: Path | None, sample: int | None, read_all: bool, seed: int) -> int:
    """Audit pictures, print what was found, and write the page.

    Args:
        what: a path as for `read_any`, or the name of a source: `demo`, `ai_artbench`.
        to: the folder of the page; None for outputs/audit/NAME.
        json: a file to write what was found to; None for none besides the page's audit.json.
        sample: how many pictures are looked at; None for 5,000.
        read_all: look at every picture.
        seed: of the sample, the folds and the forests.

    Returns:
        How many of the files that were opened can't be read.

    Raises:
        ArtclfError: where nothing can be listed there, for a sample of all files, and for files that can't be written.
    """
    if read_all and sample is not None:
        raise ArtclfError(f"--all and --sample {sample}: got both; --all looks at every file, --sample N only at N of them")
    if json is not None and (json.is_dir() or not json.parent.is_dir()):
        raise ArtclfError(f"--json {json}: {'is a folder' if json.is_dir() else 'its folder does not exist'}; give a file")
    manifest = read_source_or_path(what, "audit")
    path = Path(what).expanduser().resolve()
    name = what if what in {DEMO, AI_ARTBENCH} else path.name if path.is_dir() else path.stem
    folder = free_folder(to or Path("outputs") / "audit" / name, path)
    form = Canonical.for_size(_DEMO_SIZE if what == DEMO else _SIZE)
    chosen = None if read_all else sample or DEFAULT_SAMPLE
    audited = audit_pictures(manifest, sample=chosen, seed=seed, make_canonical=form)
    survey, found = audited.survey, audited.found
    write_audit(folder, found)
    survey.facts.to_csv(folder / "facts.csv", index=False)
    listed = folder / "unreadable.csv"
    listed.unlink(missing_ok=True)  # of an earlier audit
    if len(survey.unreadable):
        survey.unreadable.to_csv(listed, index=False)
    if json is not None:
        write_found(json, found)
    typed = ["artclf", "audit", what, *(["--all"] if read_all else ["--sample", str(sample)] if sample else [])]
    page = folder / "audit.html"
    text = render(
        "audit.html",
        name=name,
        title=headline(survey),
        reading=_reading(survey, seed),
        demo=what == DEMO,
        unreadable_number=len(survey.unreadable),
        audit=audit_section(folder),
        command=shlex.join([*typed, *(["--seed", str(seed)] if seed else [])]),
        root=manifest.root,
        seed=seed,
        manifest_sha256=manifest.sha256,
    )
    page.write_text(text, encoding="utf-8")
    _print(survey, found, seed, page)
    return len(survey.unreadable)


def _reading(survey: Survey, seed: int) -> str:
    """How many of the files were looked at."""
    total = len(survey.manifest.table)
    if survey.looked_at == total:
        return f"All {total:,} files were looked at."
    return (
        f"Of {total:,} files {survey.looked_at:,} were looked at, drawn by lot (seed {seed}) in proportion to splits, makers "
        "and styles."
    )


def _print(survey: Survey, found: dict[str, Any], seed: int, page: Path) -> None:
    screen = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)
    table = Table(title=headline(survey), title_justify="left")
    for heading in ("fact, alone", "AUROC", "95% interval", "severity", "human works", "AI works"):
        table.add_column(heading, justify="right" if heading == "AUROC" else "left", overflow="fold")
    groups = (found["file_facts"]["top"], found["pixel_statistics"]["top"], [found["exif"]] if found["exif"] else [])
    for group in groups:
        for place, fact in enumerate(group):
            low, high = fact["auroc_interval"]
            table.add_row(
                fact["fact"],
                f"{fact['auroc']:.3f}",
                "the same in all" if fact["constant"] else f"{low:.3f} to {high:.3f}",
                "–" if fact["severity"] == "none" else fact["severity"],
                Text(fact["human"]),
                Text(fact["ai"]),
                end_section=place == len(group) - 1,
            )
    if table.row_count:
        screen.print(table)
    for line in (_reading(survey, seed), how_it_was_done(found), "", *in_words(found)):
        screen.print(line, markup=False)
    name_unreadable(survey, page.parent)
    screen.print(f"page: {page}", markup=False)
