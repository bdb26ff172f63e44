"""Whole searches through a launcher that writes what runs leave, and trains nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from artclf.config.space import search_space
from artclf.errors import ArtclfError
from artclf.run_folder import ERROR_FILE
from artclf.sweep.callbacks import Pruned
from artclf.sweep.options import Options
from artclf.sweep.outcome import importance
from artclf.sweep.pruning import open_trial
from artclf.sweep.search import Launch, Search

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
SPACE = ("lr=tag(log,interval(1e-4,1e-1))", "head=mlp,linear")
Run = Callable[[Path, dict[str, str]], None]  # the run's folder, and its overrides


def begin(folder: Path, *typed: str, mode: str = "min", **changes: Any) -> Search:
    searched, settled = search_space({}, OverridesParser.create().parse_overrides([*SPACE, "sweep=optuna", "model=x", *typed]))
    return Search(folder, searched, settled, metric="val/loss", mode=mode, options=Options(**{**OPTIONS, **changes}))


def finish(folder: Path, value: float | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").touch()
    pd.DataFrame({"epoch": [1, 2], "seconds": [0.5, 0.5]}).to_csv(folder / "metrics.csv", index=False)
    metrics = {"best": {"val/loss": value}, "seconds": 2.5, "splits": {"test": {"balanced_accuracy": 0.5}}}
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


def launcher(folder: Path, odd: dict[int, Run] | None = None) -> tuple[Launch, list[dict[str, str]]]:
    """A launcher whose runs reach their learning rate as their loss; the odd ones do something else."""
    seen: list[dict[str, str]] = []

    def launch(jobs: list[list[str]], first: int) -> None:
        for number, words in enumerate(jobs, first):
            seen.append(dict(word.split("=", 1) for word in words))
            run = (odd or {}).get(number, lambda place, overrides: finish(place, float(overrides["lr"])))
            run(folder / str(number), seen[-1])

    return launch, seen


def failing(place: Path, overrides: dict[str, str]) -> None:
    place.mkdir()
    (place / ERROR_FILE).write_text("training diverged", encoding="utf-8")


def pruned(place: Path, overrides: dict[str, str]) -> None:
    place.mkdir()
    storage, trial = overrides["pruning"].strip("{}").split(",trial:")
    open_trial(Path(storage.removeprefix("storage:").strip("'")), int(trial)).report(9.0, 1)
    Pruned(1, "val/loss", 9.0).write(place, 0.5)


def test_the_best_is_found_and_failed_and_pruned_trials_are_recorded(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    odd: dict[int, Run] = {1: failing, 3: pruned, 4: lambda place, _: finish(place, None)}
    launch, seen = launcher(tmp_path, odd)
    search = begin(tmp_path)
    assert search.run(launch, list)
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert table["state"].tolist() == ["finished", "failed", "finished", "pruned", "failed", "finished"]
    assert [trial.state.name for trial in search.study.trials] == ["COMPLETE", "FAIL", "COMPLETE", "PRUNED", "FAIL", "COMPLETE"]
    assert table["val/loss"][[0, 3]].tolist() == [float(seen[0]["lr"]), 9.0]
    assert table["reason"][1] == "training diverged"
    assert "keep the best weights" in table["reason"][4]
    assert table["test_balanced_accuracy"][0] == 0.5
    best = min((seen[number] for number in (0, 2, 5)), key=lambda overrides: float(overrides["lr"]))
    command = f"python train.py model=x lr={best['lr']} head={best['head']}"
    printed = capfd.readouterr().out
    assert command in printed
    assert "3 of 6 trials finished, 1 pruned, 2 failed." in printed
    page = (tmp_path / "sweep.html").read_text(encoding="utf-8")
    assert f'<pre id="best">{command}</pre>' in page
    assert "training diverged" in page


def test_each_trial_gets_its_folder_and_its_place_in_the_journal(tmp_path: Path) -> None:
    folder = tmp_path / "it's, a {sweep}=1"
    launch, seen = launcher(folder)
    begin(folder, n_trials=2).run(launch, list)
    for number, overrides in enumerate(seen):
        words = [f"{key}={value}" for key, value in overrides.items()]
        read = {o.key_or_group: o.value() for o in OverridesParser.create().parse_overrides(words)}
        assert (read["hydra.sweep.dir"], read["hydra.sweep.subdir"]) == (str(folder), str(number))
        assert read["pruning"]["storage"] == str(folder / "sweep.journal")
    launch, seen = launcher(tmp_path / "unpruned")
    search = begin(tmp_path / "unpruned", mode="max", n_trials=2, pruner="none")
    search.run(launch, list)
    assert "pruning" not in seen[0]
    assert search.study.best_value == max(float(overrides["lr"]) for overrides in seen)


def test_the_same_seed_proposes_the_same_however_many_run_at_once(tmp_path: Path) -> None:
    proposed = []
    for name, changes in (("one", {"n_jobs": 1}), ("three", {"n_jobs": 3}), ("other", {"seed": 1})):
        launch, seen = launcher(tmp_path / name)
        begin(tmp_path / name, n_trials=3, **changes).run(launch, list)
        proposed.append([(overrides["lr"], overrides["head"]) for overrides in seen])
    assert proposed[0] == proposed[1] != proposed[2]


def test_tpe_learns_from_the_trials_before(tmp_path: Path) -> None:
    launch, seen = launcher(tmp_path)
    begin(tmp_path, sampler="tpe", n_trials=20, startup_trials=6).run(launch, list)
    rates = [float(overrides["lr"]) for overrides in seen]
    assert sorted(rates[6:])[7] < sorted(rates[:6])[3]  # the median falls
    assert len(pd.read_csv(tmp_path / "sweep.csv")) == 20
    assert (tmp_path / "sweep_importance.png").is_file()


def test_an_interrupted_or_killed_search_continues(tmp_path: Path) -> None:
    def interrupt(place: Path, overrides: dict[str, str]) -> None:
        place.mkdir()
        raise KeyboardInterrupt

    begin(tmp_path).study.ask()  # and then its process was killed
    launch, first = launcher(tmp_path, {2: interrupt})
    with pytest.raises(KeyboardInterrupt):
        begin(tmp_path).run(launch, list)
    assert "interrupted before its 6 trials were done" in (tmp_path / "sweep.html").read_text(encoding="utf-8")
    launch, second = launcher(tmp_path)
    assert begin(tmp_path).run(launch, list)
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert table["state"].tolist() == ["failed", "finished", "failed", "finished", "finished", "finished"]
    assert "did not end" in table["reason"][2]
    assert len(first) + len(second) == 5
    assert len({overrides["lr"] for overrides in first + second}) == 5  # nothing is tried twice
    with pytest.raises(ArtclfError, match="holds a search of other settings"):
        begin(tmp_path, "model=y")


def test_settings_that_cannot_be_composed_fail_and_the_others_run(tmp_path: Path) -> None:
    def compose(words: list[str]) -> None:
        if "hydra.sweep.subdir='1'" in words:
            raise ValueError("no such head\nand more")

    assert begin(tmp_path, n_jobs=3, n_trials=3).run(launcher(tmp_path)[0], compose)
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert table["state"].tolist() == ["finished", "failed", "finished"]
    assert table["reason"][1] == "these settings can't be composed: no such head"


def test_a_launcher_that_dies_fails_what_did_not_end_and_the_search_goes_on(tmp_path: Path) -> None:
    def dies(place: Path, overrides: dict[str, str]) -> None:
        place.mkdir()
        (place / "config.yaml").touch()
        raise RuntimeError("a worker was killed")

    assert begin(tmp_path, n_jobs=2, n_trials=4).run(launcher(tmp_path, {1: dies})[0], list)
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert table["state"].tolist() == ["finished", "failed", "finished", "finished"]
    assert table["reason"][1] == "the launcher stopped: RuntimeError: a worker was killed"


def test_a_launcher_that_can_start_nothing_ends_the_search(tmp_path: Path) -> None:
    def launch(jobs: list[list[str]], first: int) -> None:
        raise ConnectionError("no Ray at HOST:6379")

    with pytest.raises(ArtclfError, match="no Ray at HOST:6379"):
        begin(tmp_path).run(launch, list)
    assert len(pd.read_csv(tmp_path / "sweep.csv")) == 1


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
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def figure(trial: optuna.Trial) -> float:
        lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        trial.suggest_categorical("head", ["mlp", "linear"])
        return 1e6 if trial.number == 5 else lr  # one that nearly diverged explains nothing by itself

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study.optimize(figure, n_trials=7)
    assert importance(study) == {}  # too few trials
    study.optimize(figure, n_trials=20)
    shares = importance(study)
    assert next(iter(shares)) == "lr"
    assert shares["lr"] > 0.8
    assert sum(shares.values()) == pytest.approx(1.0)
    same = optuna.create_study()
    same.optimize(lambda trial: 1.0 + 0.0 * trial.suggest_float("lr", 0.0, 1.0), n_trials=9)
    assert importance(same) == {}
