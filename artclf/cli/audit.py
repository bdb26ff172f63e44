"""`artclf audit`: what a data set holds and what a classifier could cheat with, in the terminal and as one page."""

from pathlib import Path

from artclf.cli.console import DEMO, command_line, name_of, name_unreadable, output_folder, read_images, require_writable
from artclf.data.canonical import Canonical
from artclf.data.facts import DEFAULT_SAMPLE, survey_files
from artclf.data.files import DEFAULT_MAX_PIXELS
from artclf.data.manifest import Manifest
from artclf.errors import ArtclfError
from artclf.inference.audit import audit_survey
from artclf.report.data_page import AUDIT_FILE, describe, describe_audit, describe_audit_method, write_dataset
from artclf.report.terminal import screen, table
from artclf.run_folder import write_json

SIZE, DEMO_SIZE = 224, 96  # pixels a side that canonical images are made for: most weights' own, and the demo's


def audit_data(
    what: str,
    to: Path | None,
    *,
    json: Path | None,
    sample: int | None,
    read_all: bool,
    seed: int,
    quick: bool,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> int:
    """Audit a data set, print what was found, and write the page; return how many files can't be read."""
    if read_all and sample is not None:
        raise ArtclfError(f"--all and --sample {sample}: got both; --all reads every file, --sample N only N of them")
    if json is not None and quick:
        raise ArtclfError(f"--json {json}: holds an audit, which --quick leaves out; type one of the two")
    if json is not None:
        require_writable(json)
    manifest, number = read_images(what), None if read_all else sample or DEFAULT_SAMPLE
    name = name_of(what)
    with output_folder(to, "audit", name=name) as folder:
        canonical = None if quick else Canonical.for_size(DEMO_SIZE if what == DEMO else SIZE)
        survey = survey_files(manifest, sample=number, seed=seed, canonical=canonical, max_pixels=max_pixels)
        (folder / AUDIT_FILE).unlink(missing_ok=True)  # of an earlier audit
        found = None if quick else audit_survey(survey, seed)
        if found is not None:
            for file in filter(None, (folder / AUDIT_FILE, json)):
                write_json(file, found)
        page, survey, warning = write_dataset(
            folder, survey, name=name, seed=seed, demo=what == DEMO, command=command_line(), max_pixels=max_pixels
        )
        terminal = screen()
        title, _, *read = describe(survey, seed)
        terminal.print(table(title, ("split", "label", "generator", "images"), _counts(manifest), text=(0, 1, 2)))
        lines = [warning] if found is None else [describe_audit_method(found), *describe_audit(found)]
        for line in [*read, *lines, f"page: {page}"]:
            terminal.print(line)
        return name_unreadable(survey.unreadable, manifest.root, folder / "unreadable.csv")


def _counts(manifest: Manifest) -> list[tuple[str, ...]]:
    """Images by split, label and generator: human ones first, then the largest generators."""
    counts = manifest.table.value_counts(["split", "label", "generator"]).reset_index(name="number")
    ordered = counts.sort_values(["split", "label"], ascending=[True, False], kind="stable")
    return [
        (split or "none given", label, generator if label == "ai" else "", f"{number:,}")
        for split, label, generator, number in ordered.itertuples(index=False)
    ]
