import pytest
from omegaconf import OmegaConf

from artclf.config.check import schema_mistakes, validate
from artclf.errors import ArtclfError
from artclf.training.build import mistakes
from tests.conftest import CONF, composed


def wrong(changes: dict[str, object]) -> list[str]:
    config = composed()
    OmegaConf.set_struct(config, False)
    for key, value in changes.items():
        OmegaConf.update(config, key, value)
    return mistakes(config)


def test_every_choice_of_every_group_composes_to_a_valid_configuration() -> None:
    needs = {"csv": ["data.csv=x"], "timm": ["model.name=resnet18"], "none": ["balance=none"]}
    needs |= {"ai_artbench": ["data.root=x"], "folder": ["data.root=x"]}
    tried = 0
    for file in sorted(CONF.glob("*/[!_]*.yaml")):
        group = file.parent.name
        if group != "experiment":
            words = [f"{'+' if group in ('finetune', 'holdout') else ''}{group}={file.stem}", *needs.get(file.stem, [])]
            assert not mistakes(composed(*dict.fromkeys(words))), words
            tried += 1
    assert tried >= 25


def test_all_mistakes_are_told_at_once_with_the_nearest_name() -> None:
    lines = wrong(
        {
            "data.image_sise": 64,
            "seed": "abc",
            "stages.head.unfreeze": "foo",
            "stages.head.optim.name": "adan",
            "head.hiden": 3,
            "callbacks.early_stopping.patiense": 3,
            "image_size": 96,
        }
    )
    assert "data.image_sise: unknown key; did you mean data.image_size?" in lines
    assert "seed: got 'abc'; it should be a valid integer" in lines
    assert "stages.head.unfreeze: got 'foo'; allowed: a whole number from 0 on, auto, last_block, all" in lines
    assert "stages.head.optim.name: got 'adan'; allowed: adam, adamw, sgd; did you mean adam?" in lines
    assert "head.hiden: unknown key; did you mean hidden?" in lines
    assert "callbacks.early_stopping.patiense: unknown key; did you mean patience?" in lines
    assert "image_size: unknown key; did you mean data.image_size?" in lines
    assert len(lines) == 7


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data.batch_size": 0}, "data.batch_size: got 0"),
        ({"data.batch_size": True}, "data.batch_size: got True"),
        ({"stages.head.optim.lr": 0.0}, "stages.head.optim.lr: got 0.0"),
        ({"stages.head.max_epochs": 2.5}, "stages.head.max_epochs: got 2.5"),
        ({"head.dropout": "x"}, "head.dropout: got 'x'"),
        ({"head.name": "mpl"}, "head.name: got 'mpl'; allowed: linear, mlp; did you mean mlp?"),
        ({"augment.jpeg": [90, 40]}, "the lowest quality comes first"),
        ({"monitor.metric": "val/auroc"}, "monitor.mode=max"),
        ({"model.name": None}, "model.name: got None"),
    ],
)
def test_a_wrong_value_is_named(changes: dict[str, object], said: str) -> None:
    assert any(said in line for line in wrong(changes)), wrong(changes)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["augment=none"], "balance=augment makes altered copies"),
        (["data=csv"], "data=csv needs data.csv=FILE"),
        (["data=folder"], "data=folder needs data.root=FOLDER"),
        (["data=ai_artbench"], "data=ai_artbench needs data.root=FOLDER, or its download"),
        (["data=ai_artbench"], "type artclf data fetch ai_artbench"),
        (["model=timm"], "model.name: has no value yet; type model.name=VALUE"),
    ],
)
def test_impossible_combinations_are_refused(words: list[str], said: str) -> None:
    lines = schema_mistakes(composed(*words))
    assert len(lines) == 1
    assert said in lines[0]


def test_a_run_without_stages_is_refused() -> None:
    config = composed()
    OmegaConf.set_struct(config, False)
    config.stages = {}
    with pytest.raises(ArtclfError, match="stages"):
        validate(config)


MORE = {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"callbacks.best.monitor": "val/auroc"},
            "callbacks.best.monitor: got val/auroc; what is best is said by monitor.metric",
        ),
        (
            {"callbacks.best.mode": "max"},
            "callbacks.best.mode: got max; what is best is said by monitor.metric and monitor.mode",
        ),
        ({"callbacks.best.save_top_k": 3}, "callbacks.best.save_top_k: can't be changed: best.ckpt has one meaning; another"),
        ({"callbacks.best.dirpath": "x"}, "callbacks.best.dirpath: checkpoints lie in the run folder"),
        ({"callbacks.last.monitor": "val/loss"}, "callbacks.last.monitor: can't be changed"),
        ({"callbacks.last._target_": "lightning.pytorch.callbacks.Timer"}, "callbacks.last._target_: got lightning"),
        ({"callbacks.more": {**MORE, "save_last": True}}, "callbacks.more.save_last: last.ckpt is what callbacks.last keeps"),
        (
            {"callbacks.more": {**MORE, "filename": "a/b"}},
            "callbacks.more.filename: got 'a/b'; allowed: a name without a folder",
        ),
        ({"callbacks.more": {**MORE, "monitor": "val/auroc"}}, "callbacks.more.mode: got 'min'; val/auroc is better when"),
        ({"callbacks.more": {**MORE, "monitor": "val_loss"}}, "callbacks.more.monitor: got 'val_loss'; allowed: train/loss"),
        (
            {"callbacks.early_stopping.mode": "max"},
            "callbacks.early_stopping.mode: got 'max'; val/loss is better when it is minimal",
        ),
        (
            {"callbacks.more": {"_target_": "no.such.Thing"}},
            "callbacks.more._target_: got no.such.Thing, which can't be imported",
        ),
        (
            {"callbacks.more": {"_target_": "builtins.dict"}},
            "callbacks.more._target_: got builtins.dict; allowed: subclasses of",
        ),
        ({"callbacks.more": {**MORE, "_partial_": True}}, "callbacks.more._partial_: only callbacks.more itself is built"),
    ],
)
def test_what_contradicts_the_best_weights_is_refused_by_name(changes: dict[str, object], said: str) -> None:
    (line,) = wrong(changes)
    assert line.startswith(said)


def test_more_checkpoints_are_callbacks_of_their_own() -> None:
    assert not wrong(
        {"callbacks.more": {**MORE, "monitor": "val/auroc", "mode": "max", "save_top_k": 3, "filename": "{epoch}"}}
    )
    assert not wrong({"callbacks.best.save_top_k": 1, "callbacks.best.monitor": "val/loss", "callbacks.best.verbose": True})
