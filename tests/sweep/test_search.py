"""Whole searches through a launcher that writes what runs leave, and trains nothing."""

import json
import shlex
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
from artclf.sweep.outcome import importance
from artclf.sweep.pruning import open_trial
from artclf.sweep.search import Options, Search

OPTIONS = Options(
    n_trials=6,
    n_jobs=1,
    seed=0,
    sampler="random",
    startup_trials=4,
    pruner="median",
    pruner_startup_trials=1,
    pruner_warmup_epochs=0,
)
SPACE = ("lr=tag(log,interval(1e-4,1e-1))", "head=mlp,linear")
Launch = Callable[[list[list[str]], int], None]


def begin(folder: Path, *typed: str, mode: str = "min", **changes: Any) -> Search:
    searched, settled = search_space({}, OverridesParser.create().parse_overrides([*SPACE, "sweep=optuna", "model=x", *typed]))
    options = Options(**{**vars(OPTIONS), **changes})
    return Search(folder, searched, settled, metric="val/loss", mode=mode, options=options)


def finish(folder: Path, value: float | None, **test: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").touch()
    pd.DataFrame({"epoch": [1, 2], "seconds": [0.5, 0.5]}).to_csv(folder / "metrics.csv", index=False)
    metrics = {"best": {"val/loss": value}, "seconds": 2.5, "splits": {"test": test}}
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


def of(words: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words)


def runs(folder: Path, *odd: tuple[int, Callable[[Path, dict[str, str]], None]]) -> tuple[Launch, list[list[str]]]:
    """A launcher whose runs reach their learning rate as their loss; the odd ones do something else."""
    seen: list[list[str]] = []

    def launch(jobs: list[list[str]], first: int) -> None:
        for number, words in enumerate(jobs, first):
            seen.append(words)
            said = of(words)
            act = dict(odd).get(number, lambda place, said: finish(place, float(said["lr"]), balanced_accuracy=0.5))
            act(folder / str(number), said)

    return launch, seen


def failing(place: Path, said: dict[str, str]) -> None:
    place.mkdir()
    (place / ERROR_FILE).write_text("training diverged", encoding="utf-8")


def pruned(place: Path, said: dict[str, str]) -> None:
    place.mkdir()
    storage, trial = said["pruning"].strip("{}").split(",trial:")
    open_trial(Path(storage.removeprefix("storage:").strip("'")), int(trial)).report(9.0, 1)
    Pruned(1, "val/loss", 9.0).write(place, 0.5)


def test_a_search_finds_the_best_and_records_what_failed_and_was_pruned(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    launch, seen = runs(tmp_path, (1, failing), (3, pruned), (4, lambda place, said: finish(place, None)))
    search = begin(tmp_path)
    assert search.run(launch, list)
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert table["state"].tolist() == ["finished", "failed", "finished", "pruned", "failed", "finished"]
    assert [trial.state.name for trial in search.study.trials] == ["COMPLETE", "FAIL", "COMPLETE", "PRUNED", "FAIL", "COMPLETE"]
    assert table["val/loss"].tolist()[0] == float(of(seen[0])["lr"])
    assert table["val/loss"].tolist()[3] == 9.0
    assert table["reason"].tolist()[1] == "training diverged"
    assert "keep the best weights" in table["reason"][4]
    assert table["test_balanced_accuracy"].tolist()[0] == 0.5
    best = min((float(of(seen[i])["lr"]), of(seen[i])) for i in (0, 2, 5))[1]
    command = f"python train.py model=x lr={best['lr']} head={best['head']}"
    printed = capfd.readouterr().out
    assert command in printed
    assert "3 of 6 trials finished, 1 was stopped early as hopeless and 2 failed." in printed
    page = (tmp_path / "sweep.html").read_text(encoding="utf-8")
    assert f'<pre id="best">{command}</pre>' in page
    assert "training diverged" in page
    assert shlex.split(command)[2:] == ["model=x", f"lr={best['lr']}", f"head={best['head']}"]


def test_each_trial_is_told_its_folder_and_which_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "it's, a {sweep}=1"
    launch, seen = runs(folder)
    begin(folder, n_trials=2).run(launch, list)
    for number, words in enumerate(seen):
        read = {o.key_or_group: o.value() for o in OverridesParser.create().parse_overrides(words)}
        assert read["hydra.sweep.dir"] == str(folder)
        assert read["hydra.sweep.subdir"] == str(number)
        assert read["pruning"]["storage"] == str(folder / "sweep.journal")
    begin(tmp_path / "unpruned", n_trials=1, pruner="none").run(*[runs(tmp_path / "unpruned")[0], list])
    assert not [word for word in seen[0] if word.startswith("pruning=null")]


def test_the_largest_is_best_where_the_figure_is_maximised(tmp_path: Path) -> None:
    launch, seen = runs(tmp_path)
    search = begin(tmp_path, mode="max")
    search.run(launch, list)
    assert search.study.best_value == max(float(of(words)["lr"]) for words in seen)


def test_the_same_seed_proposes_the_same_however_many_run_at_once(tmp_path: Path) -> None:
    proposed = []
    for name, jobs in (("one", 1), ("three", 3)):
        launch, seen = runs(tmp_path / name)
        begin(tmp_path / name, n_jobs=jobs).run(launch, list)
        proposed.append([(of(words)["lr"], of(words)["head"]) for words in seen])
    assert proposed[0] == proposed[1]
    launch, seen = runs(tmp_path / "other")
    begin(tmp_path / "other", seed=1).run(launch, list)
    assert [(of(words)["lr"], of(words)["head"]) for words in seen] != proposed[0]


def test_tpe_learns_from_the_trials_before(tmp_path: Path) -> None:
    launch, seen = runs(tmp_path)
    begin(tmp_path, sampler="tpe", n_trials=20, startup_trials=6).run(launch, list)
    rates = [float(of(words)["lr"]) for words in seen]
    assert sorted(rates[6:])[7] < sorted(rates[:6])[3]  # the median falls
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert len(table) == 20
    assert (tmp_path / "sweep_importance.png").is_file()


def test_an_interrupted_search_goes_on_where_it_was(tmp_path: Path) -> None:
    def interrupt(place: Path, said: dict[str, str]) -> None:
        place.mkdir()
        raise KeyboardInterrupt

    launch, first = runs(tmp_path, (2, interrupt))
    with pytest.raises(KeyboardInterrupt):
        begin(tmp_path).run(launch, list)
    assert "interrupted before its 6 trials were done" in (tmp_path / "sweep.html").read_text(encoding="utf-8")
    launch, second = runs(tmp_path)
    assert begin(tmp_path).run(launch, list)
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert table["state"].tolist() == ["finished", "finished", "failed", "finished", "finished", "finished"]
    assert "did not end" in table["reason"][2]
    assert len(first) + len(second) == 6
    assert len({of(words)["lr"] for words in first + second}) == 6  # nothing is tried twice
    with pytest.raises(ArtclfError, match="holds a search of other settings"):
        begin(tmp_path, "model=y")


def test_settings_that_cannot_be_composed_fail_and_the_others_run(tmp_path: Path) -> None:
    launch, seen = runs(tmp_path)

    def compose(words: list[str]) -> None:
        if len(seen) == 0 and f"subdir={chr(39)}1" in " ".join(words):
            raise ValueError("no such head\nand more")

    assert begin(tmp_path, n_jobs=3, n_trials=3).run(launch, compose)
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert table["state"].tolist() == ["finished", "failed", "finished"]
    assert table["reason"][1] == "these settings can't be composed: no such head"


def test_a_launcher_that_dies_fails_what_did_not_end_and_the_search_goes_on(tmp_path: Path) -> None:
    def dies(place: Path, said: dict[str, str]) -> None:
        place.mkdir()
        (place / "config.yaml").touch()
        raise RuntimeError("a worker was killed")

    launch, _ = runs(tmp_path, (1, dies))
    assert begin(tmp_path, n_jobs=2, n_trials=4).run(launch, list)
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert table["state"].tolist() == ["finished", "failed", "finished", "finished"]
    assert table["reason"][1] == "the launcher stopped: RuntimeError: a worker was killed"


def test_a_launcher_that_can_start_nothing_ends_the_search(tmp_path: Path) -> None:
    def launch(jobs: list[list[str]], first: int) -> None:
        raise ConnectionError("no Ray at HOST:6379")

    with pytest.raises(ArtclfError, match="no Ray at HOST:6379"):
        begin(tmp_path).run(launch, list)
    assert len(pd.read_csv(tmp_path / "sweep.csv")) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_trials": 0}, "hydra.sweeper.n_trials: got 0; allowed: a whole number from 1 on"),
        ({"seed": -1}, "hydra.sweeper.seed: got -1; allowed: a whole number from 0 on"),
        ({"sampler": "grid"}, "hydra.sweeper.sampler: got 'grid'; allowed: tpe, random"),
        ({"pruner": "hyperband"}, "hydra.sweeper.pruner: got 'hyperband'; allowed: median, none"),
    ],
)
def test_a_wrong_option_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ArtclfError) as error:
        Options(**{**vars(OPTIONS), **changes})
    assert str(error.value) == said


def test_importance_names_what_the_figure_hangs_on() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def figure(trial: optuna.Trial) -> float:
        lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        trial.suggest_categorical("head", ["mlp", "linear"])
        return 1e6 if trial.number == 5 else lr  # one that nearly diverged explains nothing by itself

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study.optimize(figure, n_trials=7)
    shares, why = importance(study)
    assert (shares, why) == ({}, "7 trials finished: too few to tell which settings mattered (from 8 on)")
    study.optimize(figure, n_trials=20)
    shares, why = importance(study)
    assert next(iter(shares)) == "lr"
    assert shares["lr"] > 0.8
    assert sum(shares.values()) == pytest.approx(1.0)
    assert why == ""


def test_importance_is_silent_where_nothing_differs() -> None:
    study = optuna.create_study()
    study.optimize(lambda trial: 1.0 + 0.0 * trial.suggest_float("lr", 0.0, 1.0), n_trials=9)
    assert importance(study) == ({}, "all finished trials have the same figure: no setting mattered")


def test_a_search_whose_process_was_killed_goes_on(tmp_path: Path) -> None:
    killed = begin(tmp_path)
    killed.study.ask()  # and then nobody tells what became of it
    launch, seen = runs(tmp_path)
    search = begin(tmp_path)
    assert search.run(launch, list)
    assert [trial.state.name for trial in search.study.trials] == ["FAIL"] + ["COMPLETE"] * 5
    assert len(seen) == 5
