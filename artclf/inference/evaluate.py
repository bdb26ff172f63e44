"""`artclf evaluate`: a finished model tested on data sets, each with a report of its own, and seen beside unseen images."""

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from artclf.data.files import DEFAULT_MAX_PIXELS
from artclf.data.manifest import Manifest, columns_of
from artclf.data.rejected import count_rejected, describe_losses
from artclf.data.sampling import sample_test_images
from artclf.data.splits import Duplicates, drop_copies
from artclf.errors import ArtclfError
from artclf.evaluation.decision import THRESHOLD, DecisionRule, default_rule, with_verdicts
from artclf.evaluation.gap import Row, lowest_first, row_of
from artclf.evaluation.guarantees import seen_in_training
from artclf.evaluation.intervals import UNDEFINED, difference
from artclf.evaluation.robustness import measure_robustness
from artclf.inference.assess import AssessOptions, assess, data_facts, environment, model_facts, write_results
from artclf.inference.finished_run import FinishedRun, Selection
from artclf.inference.score import score_distorted, score_images
from artclf.inference.torch_scorer import TorchScorer, load_scorer
from artclf.model.classifier import ArtClassifier
from artclf.report.findings import runs_with_broken_guarantees
from artclf.report.gap_page import write_gap
from artclf.report.render import lines, report_link
from artclf.run_folder import MANIFEST_FILE, read_table, write_json, write_table, write_text

log = logging.getLogger(__name__)

SAMPLE = 300  # images that are distorted where no other number is asked for: each in nearly thirty versions


@dataclass(frozen=True)
class EvaluateOptions:
    """What is asked for besides the figures of all images."""

    distorted: int = 0  # how many test images, a random sample, are also scored distorted
    reencoded: bool = False  # whether they are a second time, all re-encoded alike first
    seed: int = 0  # of the sample and of random distortions
    precision: str = "auto"  # as in `choose_precision`
    command: str = ""  # the command line, for the report
    max_pixels: int = DEFAULT_MAX_PIXELS


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation on one data set found."""

    folder: Path
    metrics: dict[str, Any]  # the content of metrics.json
    predictions: pd.DataFrame  # of predictions.csv those of images that are not in the model's own run
    in_run: int  # how many are
    unreadable: pd.DataFrame  # path and reason of the images that can't be read


_Scored: TypeAlias = tuple[Manifest, pd.DataFrame, pd.DataFrame, Duplicates]
"""The manifest without copies; the images that can be read, each once, with p_ai; all that were listed, each with a `reason`,
"" where it can be read; and the copies."""


def evaluate(
    folders: Mapping[Path, Selection], run: FinishedRun, options: EvaluateOptions, page: Path | None = None
) -> tuple[list[Evaluated], list[Row], list[str]]:
    """Test a model on data sets, and write a folder like a run's for each, once all images have been scored, each once.

    Args:
        folders: where to write → what is tested.
        run: the model.
        options: what is asked for besides.
        page: unseen.html, which shows the data sets beside the run's own test images, is written here; None: it is not.

    Returns:
        Of each data set; and the rows and first sentences of the page.

    Raises:
        ArtclfError: where no image of a data set can be read.
    """
    began = time.perf_counter()
    scorer, rule = load_scorer(run, options.precision)
    rule = rule or default_rule("its checkpoint")
    scored = _score(list(folders.values()), scorer, options.max_pixels)
    found = []
    for (folder, selection), one in zip(folders.items(), scored, strict=True):
        found.append(_evaluate(folder, selection, one, run, scorer, rule, options))
        write_results(folder, found[-1].metrics, began)
        began = time.perf_counter()
    if page is None:
        return found, [], []
    names = [selection.name for selection in folders.values()]
    return found, *_write_unseen(page, dict(zip(names, found, strict=True)), run, rule, options.command)


def _evaluate(
    folder: Path,
    selection: Selection,
    scored: _Scored,
    run: FinishedRun,
    scorer: TorchScorer,
    rule: DecisionRule,
    options: EvaluateOptions,
) -> Evaluated:
    """Write the folder of one data set, but for metrics.json and the page."""
    manifest, predictions, every, duplicates = scored
    model = scorer.network
    unreadable = every.loc[every["reason"] != "", ["path", "reason"]]
    notes = [*describe_losses(every), *([str(duplicates)] if duplicates.files else [])]
    distorted = None
    if options.distorted:
        sample = sample_test_images(predictions, options.distorted, options.seed)
        how = {"seed": options.seed, "max_pixels": options.max_pixels}
        distorted, failed = score_distorted(scorer, manifest.root, sample, reencoded=options.reencoded, **how)
        if distorted.empty:
            raise ArtclfError(f"--robustness: not one test image of {selection.name} can be scored; go without --robustness")
        notes += [f"{path} is not among the distorted images: {reason}" for path, reason in failed.itertuples(index=False)]
    for note in notes:  # the command has printed those of the selection
        log.warning("%s", note)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / MANIFEST_FILE, manifest.to_csv())
    if len(unreadable):
        write_table(folder / "rejected.csv", unreadable)
    if distorted is not None:
        _write_robustness(folder, distorted, model.image_size, options.seed)
    facts = {
        **_training_facts(run, model),
        "evaluation": _evaluation_facts(run, selection, manifest),
        "data": data_facts(selection.name, manifest, model, count_rejected(every), duplicates),
        **environment(model.device),
        "seed": options.seed,
        "precision": scorer.precision,
        "command": options.command,
        "fallbacks": [*selection.notes, *notes],
    }
    metrics = assess(folder, model, manifest, predictions, rule, facts, AssessOptions(max_pixels=options.max_pixels))
    in_run = predictions["path"].isin(selection.in_run)
    return Evaluated(folder, metrics, with_verdicts(predictions[~in_run], rule), int(in_run.sum()), unreadable)


def _score(selections: list[Selection], scorer: TorchScorer, max_pixels: int) -> list[_Scored]:
    """Score the selected images, and keep each once. ArtclfError where none of a data set is left."""
    tables = [one.manifest.table for one in selections]
    files = [
        table.assign(path=[str(one.manifest.root / path) for path in table["path"]])
        for one, table in zip(selections, tables, strict=True)
    ]
    rows = pd.concat(files).drop_duplicates("path", ignore_index=True)
    scored, unreadable = score_images(scorer, Path(), rows, scorer.reader(max_pixels).read)
    p_ai, reasons = scored.set_index("path")["p_ai"], dict(unreadable[["path", "reason"]].to_numpy())
    return [
        _keep_once(one, table.assign(p_ai=file["path"].map(p_ai), reason=[reasons.get(path, "") for path in file["path"]]))
        for one, table, file in zip(selections, tables, files, strict=True)
    ]


def _keep_once(selection: Selection, rows: pd.DataFrame) -> _Scored:
    """Leave out of a selection what can't be read, and copies; `rows` are its manifest's with p_ai and reason."""
    readable = rows["reason"] == ""
    if not readable.any():
        first = f"{selection.manifest.root / rows['path'][0]}: {rows['reason'][0]}"
        raise ArtclfError(f"{selection.name}: none of its {len(rows):,} images can be read (first: {first})")
    kept, duplicates = drop_copies(rows[readable])
    if kept.empty:
        raise ArtclfError(f"{selection.name}: none of its images can be used: {duplicates}")
    copies = rows["path"][readable].drop(kept.index)
    table = selection.manifest.table
    manifest = replace(selection.manifest, table=table[~table["path"].isin(copies)].reset_index(drop=True))
    every = pd.concat([rows.drop(columns="p_ai"), selection.manifest.rejected], ignore_index=True).fillna({"reason": ""})
    return manifest, kept[[*columns_of(kept), "p_ai"]].reset_index(drop=True), every, duplicates


def _write_unseen(
    page: Path, found: Mapping[str, Evaluated], run: FinishedRun, rule: DecisionRule, command: str
) -> tuple[list[Row], list[str]]:
    """Write unseen.html: the run's own test images, by its predictions.csv, beside the data sets (name → what was found)."""
    own, no_seen = _own_predictions(run)
    seen = [] if own is None else [row_of("the run's own test images", "seen", with_verdicts(own, rule))]
    rows = []
    for name, one in found.items():
        row = row_of(name, "unseen", one.predictions)
        gap = difference(row.estimates["auroc"], seen[0].estimates["auroc"]) if seen else UNDEFINED
        rows.append(replace(row, gap=gap))
    rows.sort(key=lowest_first)
    sentences = lines("gap.txt", results=[[row, *seen] for row in rows], no_seen=no_seen)
    sentences += runs_with_broken_guarantees({name: one.metrics for name, one in found.items()})
    fallbacks: dict[str, list[str]] = {}  # line → the data sets that it is of
    if no_seen:
        fallbacks[f"no row of the run's own test images: {no_seen}"] = []
    for name, one in found.items():
        own_too = [f"{one.in_run:,} images that validated or tested the run are not in its row"] if one.in_run else []
        for line in [*own_too, *one.metrics["fallbacks"]]:
            fallbacks.setdefault(line, []).append(name)
    write_gap(
        page,
        [*seen, *rows],
        sentences,
        title=f"Seen and unseen images: {', '.join(found)}",
        by="",
        demo="demo" in (*found, (run.metrics.get("data") or {}).get("source")),
        fallbacks=[": ".join(filter(None, (", ".join(names), line))) for line, names in fallbacks.items()],
        links={name: report_link(one.folder, page.parent) for name, one in found.items()},
        commands=[command],
    )
    return [*seen, *rows], sentences


def _own_predictions(run: FinishedRun) -> tuple[pd.DataFrame | None, str]:
    """The predictions of the run's own test images, or None and why there are none."""
    if run.folder is None:
        return None, f"{run.given} lies in no run folder"
    if run.checkpoint.name != "best.ckpt":
        return None, f"predictions.csv is of best.ckpt, not of {run.checkpoint.name}"
    table = read_table(run.folder / "predictions.csv", ("label", "split"), ("p_ai",))
    if table is None or not (table["split"] == "test").any():
        return None, "the run folder has no predictions of a test split"
    return table[table["split"] == "test"], ""


def _write_robustness(folder: Path, scores: pd.DataFrame, image_size: int, seed: int) -> None:
    """Write robustness.csv, the scores, and robustness.json, the figures."""
    write_table(folder / "robustness.csv", scores, float_format="%.7g")
    sides = scores.drop_duplicates("path").groupby("label")["shorter_side"].median().to_dict()
    content = {"seed": seed, "image_size": image_size, "shorter_side": sides, **asdict(measure_robustness(scores))}
    write_json(folder / "robustness.json", content)


def _training_facts(run: FinishedRun, model: ArtClassifier) -> dict[str, Any]:
    """What metrics.json says of the training; the best weights are those of this checkpoint, where it is a stage's."""
    facts: dict[str, Any] = {key: run.metrics[key] for key in ("stages", "best") if key in run.metrics}
    for stage in facts.get("stages") or ():
        if stage.get("checkpoint") == run.checkpoint.name:
            score = {key: stage["score"] for key in facts.get("best") or () if key not in ("stage", "epoch")}
            facts["best"] = {"stage": stage["name"], "epoch": stage["best_epoch"], **score}
    return {**facts, "model": run.metrics.get("model") or model_facts(model)}


def _evaluation_facts(run: FinishedRun, selection: Selection, manifest: Manifest) -> dict[str, Any]:
    """What metrics.json says of the checkpoint, and of the images beside those that trained it."""
    return {
        "of": str(run.given),
        "checkpoint": str(run.checkpoint.absolute()),
        "checkpoint_sha256": run.sha256,
        "data": selection.name,
        "own_data": selection.own,
        "left_out": selection.left_out,
        **seen_in_training(manifest.table, run.images[run.images["split"] == "train"]),
        "trained_on": ((run.metrics.get("data") or {}).get("counts") or {}).get("train"),
        "threshold": THRESHOLD,
    }
