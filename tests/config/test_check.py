"""Command lines of train.py that are sound, and those that are refused with a line for each mistake."""

import shlex
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from artclf.config.check import override_mistakes
from artclf.config.command import parse_flags, parsed, readable, resume_command, resumed_folder
from artclf.errors import ArtclfError
from artclf.training.check import mistakes
from artclf.training.launch import check_command_line
from tests.conftest import CONF, composed


def wrong(line: str) -> list[str]:
    """The mistakes in what is typed after `train.py`."""
    flags, _, overrides = parse_flags(shlex.split(line))
    return override_mistakes(overrides, CONF, mistakes, multirun=flags.multirun)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "+finetune=last10 stages.last10.unfreeze=25 stages.last10.optim.lr=1e-4 seed=3",
        "+finetune=[last10,all]",
        "+holdout=style holdout.leave='art nouveau' +finetune=all trainer=ddp",
        "callbacks=none hydra.run.dir=/tmp/x",
        "head=linear head.dropout=0.2 loss=focal loss.gamma=1.5",
        "-m model=resnet50,efficientnet_b0 seed=0,1",
        "-m +holdout=generator holdout.leave=alpha seed=0,1",
        "-m +callbacks.early_stopping.min_delta=0.1 seed=0,1",
        "-m 'seed=range(0,3)' hydra/launcher=ray +hydra.launcher.ray.init.num_cpus=2",
        "-m seed=0,1 hydra/launcher=submitit_slurm hydra.launcher.partition=gpu hydra.launcher.gpus_per_node=1",
        "-m sweep=optuna hydra.sweeper.n_trials=50 'head.dropout=interval(0,0.3)' model=efficientnet_b0",
        "-m sweep=optuna head=mlp 'head.hidden=choice(64,256)' +finetune=last10,last_block",
    ],
)
def test_sound_command_lines_pass(line: str) -> None:
    assert wrong(line) == []


@pytest.mark.parametrize(
    ("line", "reported"),
    [
        ("~logger", "logger: is missing"),
        ("model=resnet5", "model: got 'resnet5'; allowed: clip_b16, clip_l14, dinov2_s14, "),
        ("data=_base", "data: got '_base'; allowed: ai_artbench, csv, demo, folder"),
        ("+model=resnet50", "model appears more than once in the final defaults list: type it without the plus"),
        ("seed=0,1", "seed=0,1 needs a multirun: artclf train -m seed=0,1"),
        ("callbacks.early_stopping.min_delta=0.1", "To append to your config use +callbacks.early_stopping.min_delta=0.1"),
        ("+holdout=generater", "holdout: got 'generater'; allowed: generator, period, source, style; did you mean generator?"),
        ("+holdout=[generator,style]", "one at a time is left out: +holdout=generator or +holdout=period"),
        ("holdout.leave=alpha", "holdout.by: is missing (type +holdout=generator, style, source or period too)"),
        ("+holdout=generator trainer=ddp", "with +holdout: each with its holdout.leave=NAME"),
        ("experiment=seed_resnet50 data.root=x +finetune=all", "Multiple values for finetune: type it without the plus"),
        ("-m +holdout=generator seed=0,1", "+holdout=generator trains a run for each generator, so nothing else can be swept"),
        ("-m +holdout=style holdout.leave=a,b", "holdout can't be swept: runs are compared on the same images"),
        ("-m trainer=ddp seed=0,1", "trainer.strategy=ddp, trainer.devices=auto: runs on several devices can't be swept"),
        ("-m 'head.dropout=interval(0,0.3)'", "an interval needs a search: add sweep=optuna"),
        ("-m 'seed=range(0,1e9)'", "range(START, STOP, STEP) holds no number, or more than 10,000"),
        ("sweep=optuna", "sweep=optuna needs a multirun: artclf train -m sweep=optuna"),
        ("-m sweep=optuna callbacks=none", "callbacks.best: sweep=optuna needs it"),
        ("-m sweep=optuna 'stages.head.optim.lr=interval(-1,1)'", "stages.head.optim.lr: got -1.0"),
        ("-m sweep=optuna 'head=interval(0,0)'", "head: got '0.0'; allowed: attention_pool, linear, mlp"),
        ("-m sweep=optuna head.hiden=3", "head.hiden: unknown key; did you mean hidden?"),
        ("-m sweep=optuna hydra.sweeper.n_trials=x", "Value 'x' of type 'str' could not be converted to Integer"),
    ],
)
def test_a_mistake_is_one_clear_line(line: str, reported: str) -> None:
    found = wrong(line)
    assert len([mistake for mistake in found if reported in mistake]) == 1, found
    assert len(found) == 1 or "sweep=optuna" in line  # a search tries several values


@pytest.mark.parametrize(
    "folder",
    ["Gemälde", "/浮世絵", "Monet (1)", "a,b", "O'Keeffe", "#1", "1900", "2024-05-01", "lr=1e-3", "C:\\Gemälde", "[x]", "true"],
)
def test_a_folder_is_typed_as_it_is_called(folder: str) -> None:
    word = readable(f"data.root={folder}", multirun=False)
    assert parsed(word).value() == folder
    assert readable(word, multirun=False) == word  # quotes may be typed too


def test_in_a_multirun_a_comma_separates_folders_unless_one_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "a,ü").mkdir()
    assert readable("data.root=ä,b (1)", multirun=True) == "data.root='ä','b (1)'"
    assert readable("data.root=a,1900", multirun=True) == "data.root=a,'1900'"
    for word in ("data.root=a,'b'", "data.root=choice(a,b)", "data.root=${oc.env:ART,x}"):
        assert readable(word, multirun=True) == word
    assert readable(f"data.root={tmp_path}/a,ü", multirun=True) == f"data.root='{tmp_path}/a,ü'"
    assert readable("hydra.run.dir=~/x", multirun=False) == f"hydra.run.dir={Path.home()}/x"
    assert composed("data=folder", readable("data.root=${monitor.mode} (1)", multirun=False)).data.root == "min (1)"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("seed=0,1 -m head=linear", ["-m", "seed=0,1", "head=linear"]),
        ("seed=0,1 head=linear --multirun", ["--multirun", "seed=0,1", "head=linear"]),
        (
            "head=linear --cfg job data=folder --package head",
            ["--cfg", "job", "--package", "head", "head=linear", "data=folder"],
        ),
        ("seed=1 -h", ["-h"]),
    ],
)
def test_flags_may_stand_anywhere(line: str, words: list[str]) -> None:
    assert check_command_line(line.split()) == words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nope", "seed=1"], "--nope: can't be read; allowed: -m (--multirun), --help"),
        (["seed=1", "--cfg"], "--cfg: can't be read"),
        (["--resolve"], "--resolve and --package go with --cfg"),
        (["--config-name=x"], "--config-name=x: there is one configuration"),
        (["-m", "--cfg=job"], "-m --cfg=job: one at a time"),
        (["--cfg=job", "--package=nope"], "--package nope: there is no such part; allowed: data"),
        (["data.root=${nope}"], "data.root: got '${nope}': Interpolation key 'nope' not found"),
        (["model.name=${model.name}"], "model.name: got '${model.name}'"),
        (["~augment=[1,2]"], "'~augment=[1,2]': allowed: ~augment"),
        (["hydra.verbose=5"], "hydra.verbose: got 5; allowed: true, false"),
        (["hydra.run.dir="], "hydra.run.dir: got ''; type hydra.run.dir=FOLDER"),
        (["hydra.run.dir=" + "x" * 300], "hydra.run.dir: got 'xxx"),
        (["data=folder", "data.root=" + "x" * 300], "data.root: got 'xxx"),
        (["hydra.sweeper._target_=os.system"], "'hydra.sweeper._target_=os.system': can't be typed"),
        (["=x"], "'=x': can't be read; allowed: KEY=VALUE"),
        ([""], "'': can't be read"),
        (["seed=(1"], "seed: got '(1'; it should be a valid integer"),
        (["data=folder", "data.root=null"], "data=folder needs data.root=FOLDER (in quotes, where it is called null)"),
    ],
)
def test_a_refusal_is_one_line_with_exit_code_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        check_command_line(words)
    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert line.startswith("error: ")
    assert said in line


def test_every_value_of_a_sweep_is_checked() -> None:
    assert wrong("-m seed=0,x model=resnet50,resnet5")[0].startswith("model: got 'resnet5'")
    assert sorted(wrong("-m seed=0,x,1 data.batch_size=8,16,32,0")) == [
        "data.batch_size: got 0; it should be greater than or equal to 1",
        "seed: got 'x'; it should be a valid integer",
    ]


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


LEFT_BY_WANDB = ModuleSpec("wandb", None)  # of a folder wandb without code


@pytest.mark.parametrize("spec", [None, LEFT_BY_WANDB])
def test_what_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch, spec: ModuleSpec | None) -> None:
    monkeypatch.setattr("artclf.config.check.find_spec", lambda name: spec)
    choices = {"sweep=optuna": "sweep", "hydra/launcher=joblib": "joblib", "hydra/launcher=submitit_slurm": "slurm"}
    choices |= {f"logger={name}": name for name in ("wandb", "mlflow", "tensorboard")}
    for choice, extra in choices.items():
        assert wrong(f"-m {choice}") == [f'{choice} is not installed; type pip install -e ".[{extra}]"']


@pytest.mark.parametrize(
    "path", ["outputs/a", "with space", "it's", "a=b,c", "[x]{y}(z)", "back\\slash", "end\\", "\\'", "ünï", "1"]
)
def test_the_resume_command_can_be_pasted(path: str) -> None:
    words = shlex.split(resume_command(Path(path)))
    assert words[:2] == ["artclf", "train"]
    assert resumed_folder(parse_flags(words[2:])[2], multirun=False) == Path(path)


def test_the_folder_is_the_one_typed() -> None:
    assert resumed_folder(["resume.folder='it\\'s here'", "hydra.run.dir=x"], multirun=False) == Path("it's here")
    assert resumed_folder(["seed=1"], multirun=True) is None
    with pytest.raises(ArtclfError, match="leave out seed=1 \\+finetune=all"):
        resumed_folder(["resume.folder=a", "seed=1", "+finetune=all"], multirun=False)
    with pytest.raises(ArtclfError, match="leave -m out"):
        resumed_folder(["resume.folder=a"], multirun=True)
