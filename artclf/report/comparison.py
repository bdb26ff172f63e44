"""Finished runs side by side: comparison.csv, comparison.png and comparison.html."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from artclf.errors import ArtclfError
from artclf.report import style, words
from artclf.report.dots import plot_runs
from artclf.report.run_folder import embed, read_metrics, read_table
from artclf.report.templates import render

_FIGURES = ("accuracy", "balanced_accuracy", "auroc", "false_positive_rate", "false_negative_rate")
_NUMBERS = (*_FIGURES, "parameters", "seconds")
_COLUMNS = ["run", "differs", "seed", *_NUMBERS, "status"]


@dataclass(frozen=True)
class _Run:
    folder: Path
    metrics: Mapping[str, Any]
    overrides: tuple[str, ...]
    test_set: frozenset[tuple[str, str]]


def write_comparison(folder: Path, runs: Sequence[Path], failed: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Compare finished runs and write comparison.csv, comparison.png and comparison.html into a folder.

    Args:
        folder: where the three files go.
        runs: folders of finished runs, all tested on the same pictures.
        failed: for runs that did not finish: name → reason. They are listed, not compared.

    Returns:
        What comparison.csv holds, the best balanced accuracy first: run, differs (the overrides that not all runs share,
        the seed aside), seed, accuracy, balanced_accuracy, auroc, false_positive_rate, false_negative_rate (all of test),
        parameters, seconds, status ("finished", or "failed: reason").

    Raises:
        ArtclfError: where no run finished, one of them cannot be read, or their test sets differ.
    """
    failed = dict(failed or {})
    if not runs:
        reasons = "".join(f"\n{name}: {reason}" for name, reason in failed.items())
        raise ArtclfError(f"{folder}: no run finished, so there is nothing to compare{reasons}")
    read = [_read(run) for run in runs]
    _refuse_other_test_sets(read)
    shared = set.intersection(*(set(run.overrides) for run in read))
    finished = pd.DataFrame([_row(run, shared, folder) for run in read]).astype(dict.fromkeys(_NUMBERS, float))
    finished = finished.sort_values(["balanced_accuracy", "accuracy"], ascending=False, kind="stable", ignore_index=True)
    stopped = [{"run": name, "status": f"failed: {reason}"} for name, reason in failed.items()]
    table = pd.DataFrame([*finished.to_dict("records"), *stopped], columns=_COLUMNS)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "comparison.csv", index=False)

    curves = {_name(run.folder, folder): _validation(run.folder) for run in read}
    picture = style.save(plot_runs(finished, curves), folder / "comparison.png")
    page = render(
        "comparison.html",
        folder=folder.resolve().name,
        title=f"{words.plural(len(read), 'run')} on the same {words.plural(len(read[0].test_set), 'test picture')}",
        sentences=_sentences(finished),
        failed=failed,
        picture=embed(picture),
        rows=finished.to_dict("records"),
        settings=_settings(finished),
    )
    (folder / "comparison.html").write_text(page, encoding="utf-8")
    return table


def _read(run: Path) -> _Run:
    metrics = read_metrics(run)
    predictions = read_table(run / "predictions.csv", text=("path", "label", "split"))
    if predictions is None:
        raise ArtclfError(f"{run}: no predictions.csv, so on which test pictures the run was judged is not known")
    test = predictions[predictions["split"] == "test"]
    return _Run(
        run, metrics, _overrides(metrics.get("command") or ""), frozenset(zip(test["path"], test["label"], strict=True))
    )


def _overrides(command: str) -> tuple[str, ...]:
    """What a command says after its script's name, without options and what concerns Hydra alone."""
    said = shlex.split(command)
    return tuple(word for word in said if ("=" in word or word.startswith("~")) and not word.startswith(("-", "hydra")))


def _refuse_other_test_sets(runs: Sequence[_Run]) -> None:
    groups: dict[frozenset[tuple[str, str]], list[str]] = {}
    for run in runs:
        groups.setdefault(run.test_set, []).append(str(run.folder))
    if len(groups) > 1:
        sets = "\n".join(f"{words.plural(len(test), 'test picture')}: {', '.join(names)}" for test, names in groups.items())
        raise ArtclfError(f"these runs were tested on different pictures, so their figures can't be compared:\n{sets}")


def _row(run: _Run, shared: set[str], folder: Path) -> dict[str, Any]:
    test = run.metrics.get("test") or {}
    report = run.folder / "report.html"
    return {
        "run": _name(run.folder, folder),
        "differs": " ".join(word for word in run.overrides if word not in shared and not word.startswith("seed=")),
        "seed": str(run.metrics.get("seed", "")),
        **{name: test.get(name) for name in _FIGURES},
        "parameters": (run.metrics.get("model") or {}).get("parameters"),
        "seconds": run.metrics.get("seconds"),
        "status": "finished",
        "link": quote(os.path.relpath(report, folder)) if report.is_file() else "",
    }


def _name(run: Path, folder: Path) -> str:
    return os.path.relpath(run, folder)


def _validation(run: Path) -> pd.Series:
    """Validation accuracy by epoch; empty where none was recorded."""
    history = read_table(run / "metrics.csv", numbers=("epoch", "val/accuracy"))
    if history is None:
        return pd.Series(dtype=float)
    return history.set_index("epoch")["val/accuracy"].dropna()


def _sentences(finished: pd.DataFrame) -> list[str]:
    best = finished.iloc[0]
    what = f" ({best['differs']})" if best["differs"] else ""
    sentences = [
        f"The best balanced accuracy is that of run {best['run']}{what}: {words.share(best['balanced_accuracy'])}; "
        f"it calls {words.share(best['false_positive_rate'])} of the human works AI."
    ]
    gentle = finished.sort_values("false_positive_rate", kind="stable").iloc[0]
    if gentle["run"] != best["run"]:
        sentences.append(
            f"The fewest false accusations are those of run {gentle['run']}: {words.share(gentle['false_positive_rate'])} "
            f"of the human works, at a balanced accuracy of {words.share(gentle['balanced_accuracy'])}."
        )
    return sentences


def _settings(finished: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean and standard deviation of each setting; nothing where no setting was run with more than one seed."""
    groups = [(str(setting), rows) for setting, rows in finished.groupby("differs", sort=False)]
    if all(len(rows) == 1 for _, rows in groups):
        return []
    return [
        {"setting": setting, "runs": len(rows), "texts": [_spread(name, rows[name]) for name in _FIGURES]}
        for setting, rows in groups
    ]


def _spread(name: str, values: pd.Series) -> str:
    """Mean ± standard deviation (of a sample: n - 1)."""
    known = pd.to_numeric(values).dropna()
    if not len(known):
        return words.NOT_RECORDED
    scale, digits = (1, 3) if name == "auroc" else (100, 1)
    unit = "" if name == "auroc" else "%"
    spread = f" ± {known.std() * scale:.{digits}f}" if len(known) > 1 else ""
    return f"{known.mean() * scale:.{digits}f}{spread}{unit}"
