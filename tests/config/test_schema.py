import pytest
from omegaconf import OmegaConf

from artclf.config.validate import schema_mistakes
from artclf.training.check import mistakes
from tests.conftest import CONF, composed


def wrong(changes: dict[str, object]) -> list[str]:
    config = composed()
    OmegaConf.set_struct(config, False)
    for key, value in changes.items():
        OmegaConf.update(config, key, value, merge=value != {})
    return mistakes(config)


def test_every_choice_of_every_group_composes_to_a_valid_configuration() -> None:
    needs = {"csv": ["data.csv=x"], "timm": ["model.name=resnet18"], "none": ["balance=none"]}
    needs |= {"ai_artbench": ["data.root=x"], "folder": ["data.root=x"]}
    files = [file for file in CONF.glob("*/[!_]*.yaml") if file.parent.name != "experiment"]
    assert len(files) >= 25
    for file in files:
        group = file.parent.name
        words = [f"{'+' if group in ('finetune', 'holdout') else ''}{group}={file.stem}", *needs.get(file.stem, [])]
        assert not mistakes(composed(*dict.fromkeys(words))), words


def test_all_mistakes_are_reported_at_once_with_the_nearest_name() -> None:
    lines = {
        "data.image_sise": (64, "unknown key; did you mean data.image_size?"),
        "seed": ("abc", "got 'abc'; it should be a valid integer"),
        "stages.head.unfreeze": ("foo", "got 'foo'; allowed: a whole number from 0 on, auto, last_block, all"),
        "stages.head.optim.name": ("adan", "got 'adan'; allowed: adam, adamw, sgd; did you mean adam?"),
        "stages.head.lr": (0.1, "unknown key; did you mean stages.head.optim.lr?"),
        "head.hiden": (3, "unknown key; did you mean hidden?"),
        "callbacks.early_stopping.patiense": (3, "unknown key; did you mean patience?"),
        "image_size": (96, "unknown key; did you mean data.image_size?"),
    }
    found = wrong({key: value for key, (value, _) in lines.items()})
    assert sorted(found) == sorted(f"{key}: {reported}" for key, (_, reported) in lines.items())


MORE = {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint"}
STAGE = dict(composed().stages.head)


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"data.batch_size": 0}, "data.batch_size: got 0"),
        ({"stages.head.max_epochs": 2.5}, "stages.head.max_epochs: got 2.5"),
        ({"stages": {}}, "stages: got {}"),
        ({"stages.best": STAGE}, "stages.best: best.ckpt and last.ckpt have a meaning of their own"),
        ({"head.dropout": "x"}, "head.dropout: got 'x'"),
        ({"head.name": "mpl"}, "head.name: got 'mpl'; allowed: linear, mlp; did you mean mlp?"),
        ({"augment.jpeg": [90, 40]}, "augment.jpeg: the lowest quality comes first"),
        ({"model.name": None}, "model.name: got None"),
        ({"callbacks.best.monitor": "val/auroc"}, "callbacks.best.monitor: can't be changed: best.ckpt is the best by monitor"),
        (
            {"callbacks.more": {**MORE, "dirpath": "x"}},
            "callbacks.more.dirpath: can't be chosen: checkpoints are in the run folder",
        ),
        ({"callbacks.last.monitor": "val/loss"}, "callbacks.last.monitor: can't be changed"),
        ({"callbacks.last._target_": "lightning.pytorch.callbacks.Timer"}, "callbacks.last._target_: got lightning"),
        ({"callbacks.more": {**MORE, "save_last": True}}, "callbacks.more.save_last: can't be chosen"),
        ({"callbacks.more": {**MORE, "filename": "a/b"}}, "callbacks.more.filename: got 'a/b'; allowed: a name without"),
        ({"callbacks.more": {**MORE, "monitor": "val/auroc"}}, "callbacks.more.mode: got 'min'; val/auroc is better when"),
        ({"callbacks.more": {**MORE, "monitor": "val_loss"}}, "callbacks.more.monitor: got 'val_loss'; allowed: train/loss"),
        ({"callbacks.more": {"_target_": "no.such.Thing"}}, "callbacks.more._target_: got no.such.Thing, which can't be"),
        ({"callbacks.more": {"_target_": "builtins.dict"}}, "callbacks.more._target_: got builtins.dict; allowed: Callback of"),
        ({"callbacks.more": {**MORE, "_partial_": True}}, "callbacks.more._partial_: only callbacks.more itself is built"),
    ],
)
def test_a_wrong_value_is_named(changes: dict[str, object], reported: str) -> None:
    (line,) = wrong(changes)
    assert line.startswith(reported)


def test_more_checkpoints_are_further_callbacks() -> None:
    options = {"monitor": "val/auroc", "mode": "max", "save_top_k": 3, "filename": "{epoch}"}
    assert not wrong({"callbacks.more": {**MORE, **options}, "callbacks.best.verbose": True})


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (["augment=none"], "balance=augment makes augmented copies"),
        (["data=csv"], "data=csv needs data.csv=FILE"),
        (["data=folder"], "data=folder needs data.root=FOLDER"),
        (["data=ai_artbench"], "type artclf data fetch ai_artbench"),
        (["model=timm"], "model.name: has no value yet; type model.name=VALUE"),
        (["monitor.metric=val/auroc"], "monitor.mode=max"),
        (["resume.trust=true"], "resume=FOLDER resume.trust=true"),
    ],
)
def test_impossible_combinations_are_refused(words: list[str], reported: str) -> None:
    (line,) = schema_mistakes(composed(*words))
    assert reported in line
