"""`artclf audit`: what a data set holds and what a classifier could cheat with, in the terminal and as one page."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

import artclf
from artclf.cache.folder import kaggle_ai_artbench, kaggle_cache
from artclf.cli.console import name_unreadable, screen, table
from artclf.config.schema import DemoConfig
from artclf.data.canonical import Canonical
from artclf.data.facts import DEFAULT_SAMPLE, Survey, survey_files
from artclf.data.manifest import Manifest
from artclf.data.sources import has_labels, read_any, read_demo
from artclf.data.sources.ai_artbench import read_ai_artbench
from artclf.errors import ArtclfError
from artclf.inference.audit import audit_pictures, write_audit, write_found
from artclf.report.data_page import (
    AUDIT_FILE,
    audit_in_words,
    describe,
    headline,
    how_it_was_done,
    write_dataset,
)
from artclf.report.figures.data import count_pictures

DEMO = "demo"
AI_ARTBENCH = "ai_artbench"
SIZE, DEMO_SIZE = 224, 96  # data.image_size in conf/data: what canonical images are made for
DEMO_SETTINGS = Path(artclf.__file__).parents[1] / "conf" / "data" / "demo.yaml"


def audit_data(
    what: str, to: Path | None, *, json: Path | None, sample: int | None, read_all: bool, seed: int, quick: bool
) -> int:
    """Look at a data set, print what was found, and write the page.

    Args:
        what: a path as for `read_any`, or the name of a source: `demo`, `ai_artbench`.
        to: the folder of the page; None for outputs/audit/NAME.
        json: a file to write the audit to; None for none besides the page's audit.json.
        sample: how many files are opened; None for 5,000.
        read_all: open every file.
        seed: of the sample, the folds and the forests.
        quick: read the headers alone, and audit nothing.

    Returns:
        How many of the files that were opened can't be read.

    Raises:
        ArtclfError: where nothing can be listed there, for options that contradict each other, and for files that can't be
            written.
    """
    if read_all and sample is not None:
        raise ArtclfError(f"--all and --sample {sample}: got both; --all reads every file, --sample N only N of them")
    if json is not None and quick:
        raise ArtclfError(f"--json {json}: holds an audit, which --quick leaves out; type one of the two")
    if json is not None and (json.is_dir() or not json.parent.is_dir()):
        raise ArtclfError(f"--json {json}: {'is a folder' if json.is_dir() else 'its folder does not exist'}; give a file")
    manifest = read_source_or_path(what)
    folder = free_folder(to or Path("outputs") / "audit" / name_of(what), Path(what).expanduser().resolve())
    chosen = None if read_all else sample or DEFAULT_SAMPLE
    found = None
    if quick:
        (folder / AUDIT_FILE).unlink(missing_ok=True)  # of an earlier audit
        survey = survey_files(manifest, sample=chosen, seed=seed)
    else:
        form = Canonical.for_size(DEMO_SIZE if what == DEMO else SIZE)
        audited = audit_pictures(manifest, sample=chosen, seed=seed, make_canonical=form)
        survey, found = audited.survey, audited.found
        write_audit(folder, found)
        if json is not None:
            write_found(json, found)
    page, survey, warning = write_dataset(
        folder, survey, name=name_of(what), seed=seed, demo=what == DEMO, command=_command(what, sample, read_all, seed, quick)
    )
    _print(survey, found, warning, seed, page)
    return len(survey.unreadable)


def _command(what: str, sample: int | None, read_all: bool, seed: int, quick: bool) -> str:
    words = ["artclf", "audit", what, *(["--quick"] if quick else []), *(["--all"] if read_all else [])]
    words += ["--sample", str(sample)] if sample else []
    return shlex.join([*words, *(["--seed", str(seed)] if seed else [])])


def name_of(what: str) -> str:
    """A short name for a data set, of which folders are named."""
    path = Path(what).expanduser().resolve()
    return what if what in {DEMO, AI_ARTBENCH} else path.name if path.is_dir() else path.stem


def read_source_or_path(what: str) -> Manifest:
    """List the images of a source by its name, or of a path.

    Raises:
        ArtclfError: as `read_any`, and where a source can't be found by its name alone.
    """
    if what == DEMO:
        return read_demo(_demo_settings())
    if what == AI_ARTBENCH:
        fetched = kaggle_ai_artbench()
        if fetched is None:
            raise ArtclfError(
                f"{AI_ARTBENCH}: is not (or not wholly) in {kaggle_cache()}; type artclf data fetch {AI_ARTBENCH}, or give the "
                "FOLDER that holds it"
            )
        return read_ai_artbench(fetched)
    return read_any(what)


def free_folder(folder: Path, data: Path) -> Path:
    """Refuse a folder that is a file, or that lies among images and would be taken for a split of them the next time."""
    if folder.exists() and not folder.is_dir():
        raise ArtclfError(f"--to {folder}: is a file; give a folder for the page and its figures")
    if has_labels(data) and folder.resolve().is_relative_to(data):
        raise ArtclfError(f"--to {folder}: lies in the folder of the pictures ({data}); give --to FOLDER outside of it")
    return folder


def _demo_settings() -> DemoConfig:
    """The demo images as training draws them by default."""
    if not DEMO_SETTINGS.is_file():
        raise ArtclfError(
            f"{DEMO}: its settings should be in {DEMO_SETTINGS}; install artclf from a checkout (pip install -e .), or give "
            "the folder of the drawn pictures"
        )
    return DemoConfig.model_validate(OmegaConf.to_container(OmegaConf.load(DEMO_SETTINGS).demo))


def _print(survey: Survey, found: dict[str, Any] | None, warning: str, seed: int, page: Path) -> None:
    to = screen()
    to.print(table(headline(survey), ("split", "made by", "generator", "pictures"), _counts(survey), text=(0, 1, 2)))
    lines = [describe(survey, seed)[1]]
    if found is None:
        lines.append(warning)
    else:
        columns = ("fact, alone", "AUROC", "95% interval", "severity", "human works", "AI works")
        to.print(table("what tells the classes apart", columns, _facts(found), text=(0, 3, 4, 5)))
        lines += [how_it_was_done(found), "", *audit_in_words(found)]
    for line in lines:
        to.print(line, markup=False)
    name_unreadable(survey.unreadable, survey.manifest.root, page.parent / "unreadable.csv")
    to.print(f"page: {page}", markup=False)


def _counts(survey: Survey) -> Iterator[tuple[str, ...]]:
    counts = count_pictures(survey.manifest.table)
    for split in counts.columns.drop("together"):
        held = counts.loc[counts[split] > 0, split].reset_index(name="number")
        for place, (label, generator, number) in enumerate(zip(held["label"], held["generator"], held["number"], strict=True)):
            who = ("people", "") if label == "human" else ("AI", generator)
            yield ((split or "none given") if place == 0 else "", *who, f"{number:,}")
    yield ("together", "", "", f"{counts['together'].sum():,}")


def _facts(found: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    exif = [found["exif"]] if found["exif"] else []
    for fact in [*found["file_facts"]["top"], *found["pixel_statistics"]["top"], *exif]:
        low, high = fact["auroc_interval"]
        interval = "the same in all" if fact["constant"] else f"{low:.3f} to {high:.3f}"
        severity = "–" if fact["severity"] == "none" else fact["severity"]
        yield fact["fact"], f"{fact['auroc']:.3f}", interval, severity, fact["human"], fact["ai"]
