"""Whole searches through a launcher that writes what runs leave, and trains nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from artclf.config.schema import PruningConfig
from artclf.config.space import search_space
from artclf.errors import ArtclfError
from artclf.run_folder import ERROR_FILE
from artclf.sweep.callbacks import Pruned
from artclf.sweep.options import Options
from artclf.sweep.pruning import open_trial
from artclf.sweep.search import Launch, Search, importance

OPTIONS: dict[str, Any] = {
    "n_trials": 6,
    "n_jobs": 1,
    "seed": 0,
    "sampler": "random",
    "startup_trials": 4,
    "pruner": "median",
    "pruner_startup_trials": 1,
    "pruner_warmup_epochs": 0,
}
SPACE = ("lr=tag(log,interval(1e-4,1e-1))", "head=mlp,linear", "sweep=optuna", "model=x")
Run = Callable[[Path, dict[str, Any]], None]  # the run's folder, and its overrides


def begin(folder: Path, mode: str = "min", **changes: Any) -> Search:
    searched, fixed = search_space({}, OverridesParser.create().parse_overrides([*SPACE]))
    return Search(folder, searched, fixed, metric="val/loss", mode=mode, options=Options(**{**OPTIONS, **changes}))


def read(words: list[str]) -> dict[str, Any]:
    """Overrides as Hydra reads them."""
    return {override.key_or_group: override.value() for override in OverridesParser.create().parse_overrides(words)}


def finish(place: Path, overrides: dict[str, Any]) -> None:
    """Leave what a finished run leaves; its learning rate is its loss."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "config.yaml").touch()
    pd.DataFrame({"epoch": [1, 2], "seconds": [0.5, 0.5]}).to_csv(place / "metrics.csv", index=False)
    metrics = {"best": {"val/loss": overrides["lr"]}, "seconds": 2.5, "splits": {"test": {"balanced_accuracy": 0.5}}}
    (place / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


def fail(place: Path, overrides: dict[str, Any]) -> None:
    place.mkdir()
    (place / ERROR_FILE).write_text("training diverged", encoding="utf-8")


def prune(place: Path, overrides: dict[str, Any]) -> None:
    place.mkdir()
    open_trial(PruningConfig(**overrides["pruning"])).report(9.0, 1)
    Pruned(1, "val/loss", 9.0).write(place, 0.5)


def raising(error: BaseException) -> Run:
    def run(place: Path, overrides: dict[str, Any]) -> None:
        place.mkdir()
        (place / "config.yaml").touch()
        raise error

    return run


def launcher(odd: dict[str, Run] | None = None) -> tuple[Launch, list[dict[str, Any]]]:
    """A launcher whose runs finish, but for the odd ones; and the overrides of its runs."""
    seen: list[dict[str, Any]] = []

    def launch(jobs: list[list[str]], first: int) -> None:
        for overrides in map(read, jobs):
            seen.append(overrides)
            number = str(overrides["hydra.sweep.subdir"])
            (odd or {}).get(number, finish)(Path(overrides["hydra.sweep.dir"]) / number, overrides)

    return launch, seen


def states(folder: Path) -> list[str]:
    return list(pd.read_csv(folder / "sweep.csv")["state"])


def test_the_best_is_found_and_failed_and_pruned_trials_are_recorded(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    launch, seen = launcher({"1": fail, "3": prune})
    search = begin(tmp_path)
    assert search.run(launch, list)
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert states(tmp_path) == ["finished", "failed", "finished", "pruned", "finished", "finished"]
    assert [trial.state.name for trial in search.study.trials][:4] == ["COMPLETE", "FAIL", "COMPLETE", "PRUNED"]
    assert table["val/loss"][[0, 3]].tolist() == [seen[0]["lr"], 9.0]
    assert table["reason"][1] == "training diverged"
    assert table["test_balanced_accuracy"][0] == 0.5
    best = min((seen[number] for number in (0, 2, 4, 5)), key=lambda overrides: overrides["lr"])
    command = f"artclf train model=x lr={best['lr']} head={best['head']}"
    printed = capfd.readouterr().out
    assert command in printed
    assert "4 of 6 trials finished, 1 pruned, 1 failed." in printed
    page = (tmp_path / "sweep.html").read_text(encoding="utf-8")
    assert f'<pre id="best">{command}</pre>' in page
    assert "training diverged" in page


def test_each_trial_gets_its_folder_and_its_place_in_the_journal(tmp_path: Path) -> None:
    folder = tmp_path / "it's, a {sweep}=1"
    launch, seen = launcher()
    begin(folder, n_trials=2).run(launch, list)
    for number, overrides in enumerate(seen):
        assert (overrides["hydra.sweep.dir"], overrides["hydra.sweep.subdir"]) == (str(folder), str(number))
        assert overrides["pruning"] == {"storage": str(folder / "sweep.journal"), "trial": number}
    launch, seen = launcher()
    search = begin(tmp_path / "unpruned", mode="max", n_trials=2, pruner="none")
    search.run(launch, list)
    assert "pruning" not in seen[0]
    assert search.study.best_value == max(overrides["lr"] for overrides in seen)


def test_the_same_seed_proposes_the_same_however_many_run_at_once(tmp_path: Path) -> None:
    proposed = []
    for name, changes in (("one", {"n_jobs": 1}), ("three", {"n_jobs": 3}), ("other", {"seed": 1})):
        launch, seen = launcher()
        begin(tmp_path / name, n_trials=3, **changes).run(launch, list)
        proposed.append([(overrides["lr"], overrides["head"]) for overrides in seen])
    assert proposed[0] == proposed[1] != proposed[2]


def test_tpe_learns_from_the_trials_before(tmp_path: Path) -> None:
    launch, seen = launcher()
    begin(tmp_path, sampler="tpe", n_trials=20, startup_trials=6).run(launch, list)
    rates = [overrides["lr"] for overrides in seen]
    assert sorted(rates[6:])[7] < sorted(rates[:6])[3]  # the median falls
    assert '<th class="n">importance</th>' in (tmp_path / "sweep.html").read_text(encoding="utf-8")


def test_an_interrupted_or_killed_search_continues(tmp_path: Path) -> None:
    begin(tmp_path).study.ask()  # and then its process was killed
    launch, first = launcher({"2": raising(KeyboardInterrupt())})
    with pytest.raises(KeyboardInterrupt):
        begin(tmp_path).run(launch, list)
    assert "interrupted before its 6 trials were done" in (tmp_path / "sweep.html").read_text(encoding="utf-8")
    launch, second = launcher()
    assert begin(tmp_path).run(launch, list)
    assert states(tmp_path) == ["failed", "finished", "failed", "finished", "finished", "finished"]
    assert "did not end" in pd.read_csv(tmp_path / "sweep.csv")["reason"][2]
    assert len({overrides["lr"] for overrides in first + second}) == len(first + second) == 5  # nothing is tried twice


def test_what_cannot_be_composed_or_launched_fails_and_the_search_goes_on(tmp_path: Path) -> None:
    def compose(words: list[str]) -> None:
        if "hydra.sweep.subdir='1'" in words:
            raise ValueError("no such head\nand more")

    launch, _ = launcher({"2": raising(RuntimeError("a worker was killed"))})
    assert begin(tmp_path, n_jobs=3, n_trials=6).run(launch, compose)
    assert states(tmp_path) == ["finished", "failed", "failed", "finished", "finished", "finished"]
    assert pd.read_csv(tmp_path / "sweep.csv")["reason"][1:3].tolist() == [
        "these settings can't be composed: no such head",
        "the launcher stopped: RuntimeError: a worker was killed",
    ]


def test_a_launcher_that_can_start_nothing_ends_the_search(tmp_path: Path) -> None:
    def launch(jobs: list[list[str]], first: int) -> None:
        raise ConnectionError("no Ray at HOST:6379")

    with pytest.raises(ArtclfError, match="no Ray at HOST:6379"):
        begin(tmp_path).run(launch, list)
    assert states(tmp_path) == ["failed"]


def test_wrong_options_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(ArtclfError) as error:
        begin(tmp_path, n_trials=0, seed=-1, sampler="grid", pruner="hyperband")
    assert str(error.value).splitlines() == [
        "hydra.sweeper.n_trials: got 0; allowed: a whole number from 1 on",
        "hydra.sweeper.seed: got -1; allowed: a whole number from 0 on",
        "hydra.sweeper.sampler: got 'grid'; allowed: tpe, random",
        "hydra.sweeper.pruner: got 'hyperband'; allowed: median, none",
    ]


def test_importance_names_what_the_figure_depends_on() -> None:
    def figure(trial: optuna.Trial) -> float:
        lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        trial.suggest_categorical("head", ["mlp", "linear"])
        return 1e6 if trial.number == 5 else lr  # one that nearly diverged explains nothing by itself

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(figure, n_trials=7)
    assert importance(study) == {}  # too few
    study.optimize(figure, n_trials=20)
    shares = importance(study)
    assert next(iter(shares)) == "lr"
    assert shares["lr"] > 0.8
    assert sum(shares.values()) == pytest.approx(1.0)
    same = optuna.create_study()
    same.optimize(lambda trial: 1.0 + 0.0 * trial.suggest_float("lr", 0.0, 1.0), n_trials=9)
    assert importance(same) == {}


def test_a_journal_cut_short_continues_and_another_file_is_refused(tmp_path: Path) -> None:
    begin(tmp_path)
    journal = tmp_path / "sweep.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":')  # a process was killed while it wrote
    begin(tmp_path)
    assert journal.read_bytes().startswith(whole + b"{")
    assert b'{"op_code":{' not in journal.read_bytes()
    journal.write_bytes(b"\n" + whole)
    with pytest.raises(ArtclfError, match=r"sweep\.journal: is no journal of a search .*; remove it, or type another"):
        begin(tmp_path)
