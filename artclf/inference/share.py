"""A finished run for others: its model card, Croissant metadata, and its model on the Hugging Face Hub."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from artclf.errors import ArtclfError, needing
from artclf.evaluation.decision import DecisionRule, with_verdicts
from artclf.evaluation.guarantees import decision_metrics
from artclf.inference.finished_run import FinishedRun, find_run
from artclf.model.checkpoint import load_classifier, read_checkpoint, read_decision_rule
from artclf.model.exported import save_safetensors
from artclf.model.hub import INSTALL_HUB, MODEL_FILE, upload
from artclf.report.card import Card, write_card, write_croissant
from artclf.run_folder import MANIFEST_FILE, METRICS_FILE, read_table, write_text


def write_cards(
    run: Path,
    folder: Path,
    *,
    name: str = "",
    license: str | None = None,  # noqa: A002 (the Hub's word)
    evaluations: Sequence[Path] = (),
) -> FinishedRun:
    """Write README.md and croissant.json of a finished run into a folder, and a copy of its manifest.csv.

    Args:
        run: the run folder.
        folder: where to; it is made if there is none.
        name: of the model, OWNER/NAME on the Hub, if it has one.
        license: as the Hub calls it; None: the card names none.
        evaluations: folders that `artclf evaluate` has written about this model.

    Raises:
        ArtclfError: there is no finished run, one of its files is damaged, an evaluation is of another model, or a library is
            not installed.
    """
    finished = find_run(run)
    if finished.folder is None or finished.checkpoint.name != "best.ckpt":
        raise ArtclfError(f"{run}: a card has the figures of a whole run; give the folder of a run that has finished")
    if missing := {"splits", "model", "data", "decision_rule", "fallbacks"} - finished.metrics.keys():
        raise ArtclfError(f"{finished.folder / METRICS_FILE}: has no {', '.join(sorted(missing))}; run the training again")
    known = read_checkpoint(finished.checkpoint, mapped=True)["hyper_parameters"]
    card = Card(finished.folder, finished.images, _metrics(finished), known, finished.sha256, name, license, evaluations)
    folder.mkdir(parents=True, exist_ok=True)
    with needing(f"{run}: a card", INSTALL_HUB):
        write_card(card, folder)
        write_croissant(card, folder)
    shutil.copyfile(finished.folder / MANIFEST_FILE, folder / MANIFEST_FILE)
    return finished


def _metrics(run: FinishedRun) -> dict[str, Any]:
    """A run's metrics.json, by the decision rule that its model has now: artclf calibrate may have set another one."""
    assert run.folder is not None
    metrics, rule = run.metrics, read_decision_rule(run.checkpoint)
    predictions = read_table(run.folder / "predictions.csv", ("label", "split"), ("p_ai",))
    if rule is None or predictions is None:
        return metrics
    old = DecisionRule.from_json(metrics["decision_rule"]).shortfalls()
    fallbacks = [line for line in metrics["fallbacks"] if line not in old]
    new = decision_metrics(with_verdicts(predictions, rule), rule)
    return {**metrics, **new, "fallbacks": [*fallbacks, *rule.shortfalls()]}


def push(run: Path, name: str, *, private: bool = False, manifest: bool = False, **options: Any) -> str:
    """Upload a finished run's model to the Hub as .safetensors and JSON, with its card; return the address of the commit.

    Args:
        run: the run folder.
        name: OWNER/NAME.
        private: whether only its owner sees it.
        manifest: whether manifest.csv goes along, which names every image file.
        options: license and evaluations, as in `write_cards`.

    Raises:
        ArtclfError: as `write_cards` and `artclf.model.hub.upload`.
    """
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        finished = write_cards(run, folder, name=name, **options)
        if not manifest:
            (folder / MANIFEST_FILE).unlink()
        rule = read_decision_rule(finished.checkpoint)
        header = save_safetensors(load_classifier(finished.checkpoint), rule, finished.about, folder / MODEL_FILE)
        write_text(folder / "config.json", header)
        return upload(folder, name, private=private)
