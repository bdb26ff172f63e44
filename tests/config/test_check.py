import shlex
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from artclf.config.check import override_mistakes
from artclf.config.command import resume_command, resumed_folder
from artclf.errors import ArtclfError
from artclf.training.build import mistakes
from tests.conftest import CONF, composed


def wrong(*words: str, multirun: bool = False) -> list[str]:
    return override_mistakes(list(words), CONF, mistakes, multirun=multirun)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["model=efficientnet_b0", "seed=3"],
        ["+finetune=last10", "stages.last10.unfreeze=25", "stages.last10.optim.lr=1e-4"],
        ["+finetune=[last10,all]"],
        ["+holdout=generator"],
        ["+holdout=style", "holdout.leave=art nouveau", "+finetune=all", "trainer=ddp"],
        ["callbacks=none", "hydra.run.dir=/tmp/x"],
        ["head=linear", "head.dropout=0.2", "loss=focal", "loss.gamma=1.5"],
        ["~logger"],
    ],
)
def test_sound_words_pass(words: list[str]) -> None:
    found = wrong(*words)
    assert found == (["logger: is missing"] if words == ["~logger"] else [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model=resnet5"], "model: got 'resnet5'; allowed: efficientnet_b0, efficientnet_lite0, resnet50, timm"),
        (["data=_base"], "data: got '_base'; allowed: ai_artbench, csv, demo, folder"),
        (["finetune=last10"], "finetune is appended, with a plus: +finetune=last10"),
        (["+model=resnet50"], "model has a choice already"),
        (["seed=0,1"], "several values need a multirun: python train.py -m seed=0,1"),
        (["modle=resnet50"], "modle: unknown key; did you mean model?"),
        (["head=linear", "head.hidden=3"], "head.hidden: unknown key"),
        (["a=[1"], "no viable alternative"),
        (["holdout=generator"], "holdout is appended, with a plus: +holdout=generator"),
        (["+holdout=generater"], "holdout: got 'generater'; allowed: generator, style; did you mean generator?"),
        (["+holdout=[generator,style]"], "one at a time is left out: +holdout=generator or +holdout=style"),
        (["holdout.leave=alpha"], "holdout.by: is missing (type +holdout=generator or +holdout=style too)"),
        (["+holdout=generator", "holdout.leve=alpha"], "holdout.leve: unknown key; did you mean holdout.leave?"),
        (["+holdout=generator", "trainer=ddp"], "type the runs one by one with holdout.leave=NAME"),
    ],
)
def test_a_mistake_is_one_clear_line(words: list[str], said: str) -> None:
    found = wrong(*words)
    assert len(found) == 1
    assert said in found[0]


def test_what_is_left_out_is_one_in_all_runs_of_a_sweep() -> None:
    assert wrong("+holdout=generator", "holdout.leave=alpha", "seed=0,1", multirun=True) == []
    (line,) = wrong("+holdout=generator", "seed=0,1", multirun=True)
    assert line.startswith("+holdout=generator trains a run for each generator, so nothing else can be swept")
    assert wrong("+holdout=generator", multirun=True) == []
    (line,) = wrong("+holdout=style", "holdout.leave=a,b", multirun=True)
    assert line.startswith("holdout can't be swept: runs are compared on the same images")


def test_every_value_of_a_sweep_is_checked() -> None:
    assert wrong("seed=0,x", "model=resnet50,resnet5", multirun=True)[0].startswith("model: got 'resnet5'")
    assert sorted(wrong("seed=0,x,1", "data.batch_size=8,16,32,0", multirun=True)) == [
        "data.batch_size: got 0; it should be greater than or equal to 1",
        "seed: got 'x'; it should be a valid integer",
    ]
    assert wrong("model=resnet50,efficientnet_b0", "seed=0,1", multirun=True) == []


@pytest.mark.parametrize(
    ("fixed", "key", "values"),
    [
        (["model=efficientnet_b0"], "stages.head.optim.lr", ["0.1", "1e-2", "0.003"]),
        (["+finetune=last10"], "stages.last10.unfreeze", ["5", "all", "auto"]),
        (["stages.head.optim={name:adam,lr:0.5}"], "stages.head.optim.lr", ["0.1", "0.2"]),
        ([], "stages.head.optim", ["{name:adamw,weight_decay:0.1}", "{name:sgd}", "{name:adam,lr:0.1}"]),
        ([], "monitor.mode", ["max", "'min'"]),
        (["data=folder"], "data.root", ["a b", "${hydra:job.name}/x", "${monitor.mode}"]),
    ],
)
def test_each_value_is_checked_in_the_configuration_that_hydra_composes(fixed: list[str], key: str, values: list[str]) -> None:
    seen = []

    def note(job: DictConfig) -> list[str]:
        seen.append(OmegaConf.to_container(job))
        return []

    override_mistakes([*fixed, f"{key}={','.join(values)}"], CONF, note, multirun=True)
    assert seen == [OmegaConf.to_container(composed(*fixed, f"{key}={value}")) for value in values]


def test_a_multirun_has_one_device_for_each_run() -> None:
    (line,) = wrong("trainer=ddp", "seed=0,1", multirun=True)
    assert line.startswith("trainer.strategy=ddp, trainer.devices=auto: runs on several devices can't be swept")
    assert wrong("trainer=ddp") == []


@pytest.mark.parametrize(
    "words",
    [
        ["sweep=optuna"],
        ["sweep=optuna", "hydra.sweeper.n_trials=50", "head.dropout=interval(0,0.3)", "model=efficientnet_b0"],
        ["sweep=optuna", "head=mlp", "head.hidden=choice(64,256)", "+finetune=last10,last_block"],
        ["sweep=optuna", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweeper.n_jobs=2"],
        ["head=glob(*)"],
        ["seed=range(0,3)", "hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2"],
        ["seed=0,1", "hydra/launcher=submitit_slurm", "hydra.launcher.partition=gpu", "hydra.launcher.gpus_per_node=1"],
    ],
)
def test_sound_sweeps_pass(words: list[str]) -> None:
    assert wrong(*words, multirun=True) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sweep=optun"], "sweep: got 'optun'; allowed: none, optuna; did you mean optuna?"),
        (["sweep=optuna", "callbacks=none"], "callbacks.best: sweep=optuna needs it, which keeps the best weights"),
        (["sweep=optuna", "stages.head.optim.lr=interval(-1,1)"], "stages.head.optim.lr: got -1.0"),
        (["sweep=optuna", "head=mlp,linaer"], "head: got 'linaer'; allowed: linear, mlp; did you mean linear?"),
        (["sweep=optuna", "head=interval(0,0)"], "head: got '0.0'; allowed: linear, mlp"),
        (["sweep=optuna", "seed=0,1"], "seed: can't be searched"),
        (["sweep=optuna", "head.hiden=3"], "head.hiden: unknown key; did you mean hidden?"),
        (["sweep=optuna", "hydra.sweeper.n_trials=x"], "Value 'x' of type 'str' could not be converted to Integer"),
        (["sweep=optuna", "hydra.sweeper.trials=9"], "hydra.sweeper.trials"),
        (["head.dropout=interval(0,0.3)"], "an interval needs a search: add sweep=optuna"),
        (["hydra/launcher=ray", "hydra.launcher.ray.init.num_cpus=2"], "use +hydra.launcher.ray.init.num_cpus=2"),
    ],
)
def test_a_mistake_in_a_sweep_is_one_clear_line(words: list[str], said: str) -> None:
    found = [line for line in wrong(*words, multirun=True) if said in line]
    assert len(found) == 1, wrong(*words, multirun=True)


def test_what_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artclf.config.check.find_spec", lambda name: None)
    assert wrong("sweep=optuna", multirun=True) == ['sweep=optuna is not installed; type pip install -e ".[sweep]"']
    for launcher, extra in (("joblib", "joblib"), ("ray", "ray"), ("submitit_slurm", "slurm")):
        (line,) = wrong("seed=0,1", f"hydra/launcher={launcher}", multirun=True)
        assert line == f'hydra/launcher={launcher} is not installed; type pip install -e ".[{extra}]"'


def test_an_option_that_is_new_wants_a_plus() -> None:
    (line,) = wrong("callbacks.early_stopping.min_delta=0.1")
    assert line.startswith("Could not override")
    assert line.endswith("To append to your config use +callbacks.early_stopping.min_delta=0.1")
    assert wrong("+callbacks.early_stopping.min_delta=0.1", "seed=0,1", multirun=True) == []


PATHS = ["outputs/a", "with space", "it's", "a=b,c", "[x]{y}(z)", "back\\slash", "end\\", "\\'", "ünï", "1"]


@pytest.mark.parametrize("path", PATHS)
def test_the_resume_command_can_be_pasted(path: str) -> None:
    words = shlex.split(resume_command(Path(path)))
    assert words[:2] == ["python", "train.py"]
    assert resumed_folder(words[2:], multirun=False) == Path(path)


def test_the_folder_is_the_one_typed() -> None:
    assert resumed_folder(["resume='it\\'s here'", "hydra.run.dir=x"], multirun=False) == Path("it's here")
    assert resumed_folder(["seed=1"], multirun=True) is None
    with pytest.raises(ArtclfError, match="leave out seed=1 \\+finetune=all"):
        resumed_folder(["resume=a", "seed=1", "+finetune=all"], multirun=False)
    with pytest.raises(ArtclfError, match="leave -m out"):
        resumed_folder(["resume=a"], multirun=True)
