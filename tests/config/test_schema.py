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
    needs = {"csv": ["data.csv=x"], "timm": ["model.name=resnet18"], "onnx": ["model.weights=x.onnx"], "none": ["balance=none"]}
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
        "stages.head.unfreeze": ("foo", "got 'foo'; allowed: a whole number from 0 to 1000000, auto, last_block, all"),
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
        ({"head.name": "mpl"}, "head.name: got 'mpl'; allowed: linear, mlp, attention_pool; did you mean mlp?"),
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


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("head.dropout", [float("nan"), 1.0, -0.1]),
        ("head.hidden", [0, -1, 10**30]),
        ("data.batch_size", [1e20, 10**30, True]),
        ("data.image_size", [0, 1, 100_000]),
        ("stages.head.optim.lr", [float("inf"), float("nan"), 1e39]),
        ("stages.head.max_epochs", [10**30, -1]),
        ("trainer.gradient_clip_val", [-1.0, float("nan")]),
        ("trainer.accumulate_grad_batches", [0]),
        ("seed", [-1, 2**40]),
        ("callbacks.early_stopping.patience", ["abc", -1, 1.5, 10**400]),
        ("callbacks.early_stopping.min_delta", [float("nan"), -1.0]),
        ("callbacks.early_stopping.monitor", ["val/nothing", None]),
        ("callbacks.early_stopping.strict", [5]),
        ("callbacks.best.monitor", [None]),
        ("callbacks.best.save_weights_only", ["x"]),
        ("callbacks.progress.leave", ["x"]),
        ("callbacks.progress.theme", ["dark"]),
        ("callbacks.more", [{**MORE, "save_top_k": -5}, {**MORE, "every_n_epochs": -1}, {**MORE, "save_top_k": "x"}]),
        ("callbacks.more._target_", ["", "os", "a..b", "torch.load", "lightning.pytorch.callbacks._Hidden", "pip.__main__.x"]),
        ("logger.x._target_", ["os.system", "lightning.pytorch.loggers.Logger", "lightning.pytorch:Trainer"]),
    ],
)
def test_each_of_these_values_is_refused(key: str, values: list[object]) -> None:
    for value in values:
        (line,) = wrong({key: value})
        assert line.startswith(key), value


@pytest.mark.parametrize(("loss", "option"), [("bce", "label_smoothing=2"), ("focal", "gamma=nan"), ("focal", "gamma=-1")])
def test_the_options_of_a_loss_have_bounds(loss: str, option: str) -> None:
    (line,) = mistakes(composed(f"loss={loss}", f"loss.{option}"))
    assert line.startswith(f"loss.{option.partition('=')[0]}: got ")


def test_more_checkpoints_are_further_callbacks() -> None:
    options = {"monitor": "val/auroc", "mode": "max", "save_top_k": 3, "filename": "{epoch}"}
    assert not wrong({"callbacks.more": {**MORE, **options}, "callbacks.best.verbose": True})


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (["augment=none"], "balance=augment makes augmented copies"),
        (["augment.jpeg=[40,95]"], "type augment.each_epoch=true, augment.copies=4 or balance=sampler"),
        (["augment=delivery", "augment.copies=0"], "balance=augment would lower the quality of one class alone"),
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
