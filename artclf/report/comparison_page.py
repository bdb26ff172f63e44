"""Finished runs on the same test images side by side: comparison.html, its figures, comparison.csv and comparison.json."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from artclf.data.manifest import SHA256
from artclf.errors import ArtclfError
from artclf.evaluation import Booleans, Floats
from artclf.evaluation.decision import THRESHOLD
from artclf.evaluation.intervals import Estimate, estimate_metrics
from artclf.evaluation.metrics import binary_metrics
from artclf.evaluation.significance import FIGURES, Classifier, compare_with_best
from artclf.report import format as fmt
from artclf.report import plots
from artclf.report.findings import Metrics, runs_with_broken_guarantees
from artclf.report.render import lines, report_link, save_figures, write_page
from artclf.report.run_plots import read_history
from artclf.run_folder import read_metrics, read_table, write_json, write_table

SHOWN = 20  # runs that the figures show, and whose differences get intervals
_PANELS = {
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "auroc": "AUROC",
    "false_positive_rate": "human called AI",
    "false_negative_rate": "AI missed",
}
_COUNTS = ["false_positives", "false_negatives", "parameters"]
_COLUMNS = ["run", "differs", "seed", *FIGURES, *_COUNTS, "seconds", "status"]  # of comparison.csv


@dataclass(frozen=True)
class ComparedRun:
    """A finished run and its scores of the test images."""

    name: str  # short, and no other run's
    folder: Path
    metrics: Mapping[str, Any]  # metrics.json
    images: pd.DataFrame  # the test images, by path: is_ai, p_ai, and sha256 of the file ("" where it was not recorded)

    @property
    def overrides(self) -> tuple[str, ...] | None:
        """The overrides of its command, without the seed and Hydra's own; None where there is no command."""
        command = self.metrics.get("command")
        if command is None:
            return None
        words = [word for word in shlex.split(str(command)) if "=" in word or word.startswith("~")]
        return tuple(word for word in words if not word.startswith(("-", "hydra", "seed=")))

    @property
    def is_ai(self) -> Booleans:
        """The truth of each test image, [N]."""
        return self.images["is_ai"].to_numpy(dtype=bool)

    @property
    def p_ai(self) -> Floats:
        """The score of each test image, [N]."""
        return self.images["p_ai"].to_numpy(dtype=float)


@dataclass(frozen=True)
class Comparison:
    """What a comparison has found."""

    rows: pd.DataFrame  # a row for each run, the best balanced accuracy first: comparison.csv's columns, `setting` and `link`
    images: Mapping[str, int]  # n, and how many are ai and human
    failed: Mapping[str, str]  # name → reason of runs that did not finish
    standings: list[str]  # which run is best, and by how much
    cautions: list[str]  # what these figures do not show


def write_comparison(folder: Path, folders: Sequence[Path], failed: Mapping[str, str] | None = None) -> Comparison:
    """Compare finished runs (their `folders`); list `failed` ones (name → reason).

    Writes comparison.html, comparison.csv, comparison.json and the figures (comparison*.png) into a folder. In comparison.csv
    runs that failed are last; `differs` are the overrides that not all runs share, the seed aside.

    Raises:
        ArtclfError: where no run finished, one of them cannot be read, or their test images differ.
    """
    failed = dict(failed or {})
    if not folders:
        reasons = "".join(f"\n{name}: {reason}" for name, reason in failed.items())
        raise ArtclfError(f"{folder}: no run finished, so there is nothing to compare{reasons}")
    runs = read_runs(folders)
    shared = set.intersection(*(set(run.overrides or ()) for run in runs))
    rows = pd.DataFrame([_row(run, shared, folder) for run in runs])
    rows = rows.astype(dict.fromkeys([*FIGURES, *_COUNTS, "seconds"], float))
    rows = rows.sort_values(["balanced_accuracy", "accuracy"], ascending=False, kind="stable")
    runs = [runs[row] for row in rows.index]
    is_ai = runs[0].is_ai
    tests = compare_with_best([Classifier(run.name, run.p_ai, run.overrides) for run in runs], is_ai, SHOWN)
    standings, cautions = _describe(runs, rows, tests)
    images = {"n": len(is_ai), "ai": int(is_ai.sum()), "human": int((~is_ai).sum())}

    folder.mkdir(parents=True, exist_ok=True)
    table = pd.concat([rows, pd.DataFrame({"run": failed.keys(), "status": [f"failed: {why}" for why in failed.values()]})])
    table = table[_COLUMNS].astype(dict.fromkeys(_COUNTS, "Int64"))
    write_table(folder / "comparison.csv", table)
    finished = table.head(len(runs)).astype(object)
    content = {
        "test_pictures": images,
        "threshold": THRESHOLD,
        "runs": finished.where(finished.notna(), None).to_dict("records"),
        "failed": failed,
        **tests,
        "standings": standings,
        "cautions": cautions,
    }
    write_json(folder / "comparison.json", content)
    write_page(
        folder / "comparison.html",
        "comparison.html",
        **{**content, "runs": rows.to_dict("records")},
        folder=folder.resolve().name,
        images=images,
        figures=save_figures(folder, _draw(runs[:SHOWN], tests["pairs"])),
        names=FIGURES,
        shown=SHOWN,
        settings=_settings(rows),
    )
    return Comparison(rows, images, failed, standings, cautions)


def read_runs(folders: Sequence[Path]) -> list[ComparedRun]:
    """Read finished runs that are to be compared, named by their paths from the folder that holds all of them.

    Raises:
        ArtclfError: where a run has not finished or has no predictions of test images, and where the runs were tested on
            different images: by path, by label, or by the SHA-256 of the files where the runs recorded it.
    """
    whole = [folder.resolve() for folder in folders]
    above = os.path.commonpath([folder.parent for folder in whole])
    runs = [
        ComparedRun(place.relative_to(above).as_posix(), folder, read_metrics(folder, Metrics), _images(folder))
        for folder, place in zip(folders, whole, strict=True)
    ]
    first = runs[0]
    differing = [f"{run.folder} against {first.folder}: {differs}" for run in runs if (differs := _what_differs(run, first))]
    if differing:
        raise ArtclfError("\n".join(["these runs were tested on different images, so they can't be compared:", *differing]))
    return runs


def _images(run: Path) -> pd.DataFrame:
    """The test images of a run, as `ComparedRun` holds them."""
    file = run / "predictions.csv"
    predictions = read_table(file, text=("path", "label", "split"), numbers=("p_ai",))
    if predictions is None:
        raise ArtclfError(f"{run}: no predictions.csv, so its test images are not known; train or evaluate again")
    test = predictions[predictions["split"] == "test"].sort_values("path", kind="stable")
    if test.empty:
        raise ArtclfError(f"{file}: holds no image of the split test; a comparison needs runs that were tested")
    odd = test[~test["label"].isin(["ai", "human"]) | ~test["p_ai"].between(0, 1) | test["path"].duplicated()]
    for row in odd.head(1).itertuples():
        raise ArtclfError(
            f"{file}: {row.path}: got the label {row.label!r} and the p_ai {row.p_ai:g}; a label is ai or human, p_ai lies in "
            "0..1, and each image stands there once"
        )
    manifest = read_table(run / "manifest.csv", text=("path",))
    known = {} if manifest is None or SHA256 not in manifest else manifest.set_index("path")[SHA256].to_dict()
    images = test.assign(is_ai=test["label"] == "ai", **{SHA256: [known.get(path, "") for path in test["path"]]})
    return images.set_index("path")[["is_ai", "p_ai", SHA256]]


def _what_differs(run: ComparedRun, other: ComparedRun) -> str:
    """How a run's test images differ from another's, with the first path of each kind; "" where they do not."""
    both = run.images.merge(other.images, "outer", left_index=True, right_index=True, suffixes=("", "_other"))
    more, fewer = both["is_ai_other"].isna(), both["is_ai"].isna()
    hashed = (both[SHA256] != "") & (both[f"{SHA256}_other"] != "")
    kinds = {
        "more": more,
        "fewer": fewer,
        "with another label": ~more & ~fewer & (both["is_ai"] != both["is_ai_other"]),
        "with other content": ~more & ~fewer & hashed & (both[SHA256] != both[f"{SHA256}_other"]),
    }
    found = {what: both.index[differs] for what, differs in kinds.items()}
    parts = [f"{fmt.plural(len(paths), 'image')} {what} (first: {paths[0]})" for what, paths in found.items() if len(paths)]
    return ", ".join(parts)


def _row(run: ComparedRun, shared: set[str], folder: Path) -> dict[str, Any]:
    found = binary_metrics(run.is_ai, run.p_ai)
    return {
        "run": run.name,
        "differs": " ".join(word for word in run.overrides or () if word not in shared),
        "setting": None if run.overrides is None else " ".join(sorted(run.overrides)),
        "seed": str(run.metrics.get("seed", "")),
        **{name: found[name] for name in FIGURES},
        "false_positives": found["confusion"]["human"]["ai"],
        "false_negatives": found["confusion"]["ai"]["human"],
        "parameters": (run.metrics.get("model") or {}).get("parameters"),
        "seconds": run.metrics.get("seconds"),
        "status": "finished",
        "link": report_link(run.folder, folder),
    }


def _describe(runs: Sequence[ComparedRun], rows: pd.DataFrame, tests: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The standings and the cautions; runs and their rows are the best first."""
    accuracy = rows.groupby("setting")["accuracy"]
    roots = dict.fromkeys(str(root) for run in runs if (root := (run.metrics.get("data") or {}).get("root")))
    verified = all((run.images[SHA256] != "").all() for run in runs)
    context = {
        **tests,
        "rows": rows.to_dict("records"),
        "seed_spread": (accuracy.max() - accuracy.min())[accuracy.size() > 1].max(),  # NaN with one seed of each
        "unverified_roots": list(roots) if len(roots) > 1 and not verified else [],
    }
    standings, cautions = (lines(f"comparison_{part}.txt", **context) for part in ("standings", "cautions"))
    return standings + runs_with_broken_guarantees({f"run {run.name}": run.metrics for run in runs}), cautions


def _settings(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean and standard deviation (n - 1) of each setting; nothing where no setting was run with more than one seed."""
    settings = [of_one for _, of_one in rows.groupby("setting", sort=False)]
    if len(settings) == len(rows):
        return []
    figures = [(of_one["differs"].iloc[0], of_one[[*FIGURES]]) for of_one in settings]
    return [{"differs": differs, "runs": len(of), "mean": of.mean(), "std": of.std()} for differs, of in figures]


def _draw(runs: Sequence[ComparedRun], pairs: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """The figures of the best runs."""
    estimates = [estimate_metrics(run.is_ai, run.p_ai) for run in runs]
    shown = ("balanced_accuracy", "accuracy", "false_positive_rate")
    panels = {_PANELS[name]: {"": [one[name] for one in estimates]} for name in shown}
    title = "Runs on the same test images, the best first, with 95% intervals"
    figures = {"comparison": plots.plot_intervals(title, [run.name for run in runs], panels)}
    if drawn := [pair for pair in pairs if pair["differences"]]:
        panels = {name: {"": [Estimate(*pair["differences"][key].values()) for pair in drawn]} for key, name in _PANELS.items()}
        title = f"Run {plots.short(drawn[0]['first'])} minus each other run, with 95% intervals"
        others = [pair["second"] for pair in drawn]
        figures["comparison_differences"] = plots.plot_intervals(title, others, panels, reference=0)
    if runs[0].is_ai.any() and not runs[0].is_ai.all():
        figures["comparison_roc"] = _plot_rocs(runs)
    histories = {run.name: read_history(run.folder) for run in runs}
    if any(len(history) for history in histories.values()):
        figures["comparison_loss"] = plot_histories(histories)
    return figures


def _plot_rocs(runs: Sequence[ComparedRun]) -> Figure:
    """Plot the ROC curve of each run, and beside it the corner of few false accusations; dots at the threshold 0.5."""
    figure, (whole, corner) = plots.panels("Every threshold: ROC curves", 2, 2, height=3.4)
    for row, (run, colour) in enumerate(zip(runs, plots.run_colours(len(runs)), strict=True)):
        label = plots.short(run.name) if row < len(plots.RUNS) else "_"
        for axes in (whole, corner):
            plots.draw_roc(axes, run.is_ai, run.p_ai, colour, label)
    whole.legend(title="AUROC", loc="lower right")
    corner.set(xlim=(-0.002, 0.102), title="at most 10% of the human images called AI")
    return figure


def plot_histories(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Plot accuracy and loss by epoch of several runs, the best first: run → metrics.csv by epoch."""
    columns = {"validation accuracy": "val/accuracy", "training loss": "train/loss", "validation loss": "val/loss"}
    panels = {
        title: {name: table[column].dropna() for name, table in histories.items() if column in table}
        for title, column in columns.items()
    }
    return plots.plot_by_epoch(panels, dict(zip(histories, plots.run_colours(len(histories)), strict=True)))
