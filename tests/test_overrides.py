import pytest

from artclf.experiment import mistakes
from artclf.overrides import override_mistakes
from tests.conftest import CONF


def wrong(*words: str, multirun: bool = False) -> list[str]:
    return override_mistakes(list(words), CONF, mistakes, multirun=multirun)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["model=efficientnet_b0", "seed=3"],
        ["+finetune=last10", "stages.last10.unfreeze=25", "stages.last10.optim.lr=1e-4"],
        ["+finetune=[last10,all]"],
        ["callbacks=none", "hydra.run.dir=/tmp/x"],
        ["logger=tensorboard"],
        ["logger=mlflow"],
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
        (["+finetune=last01"], "finetune: got 'last01'; allowed: all, last10, last_block; did you mean last10?"),
    ],
)
def test_a_mistake_is_one_clear_line(words: list[str], said: str) -> None:
    found = wrong(*words)
    assert len(found) == 1
    assert said in found[0]


def test_every_value_of_a_sweep_is_checked() -> None:
    assert wrong("seed=0,x", "model=resnet50,resnet5", multirun=True)[0].startswith("model: got 'resnet5'")
    assert wrong("seed=0,x", "data.batch_size=8,0", multirun=True) == [
        "seed: got 'x'; it should be a valid integer",
        "data.batch_size: got 0; it should be greater than or equal to 1",
    ]
    assert wrong("model=resnet50,efficientnet_b0", "seed=0,1", multirun=True) == []


def test_ddp_is_not_swept() -> None:
    (line,) = wrong("trainer=ddp", "seed=0,1", multirun=True)
    assert "type the runs one by one" in line
    assert wrong("trainer=ddp") == []
