import pytest
from omegaconf import OmegaConf

from artclf.errors import ArtclfError, nearest
from artclf.experiment import mistakes
from artclf.mistakes import schema_mistakes, validate
from tests.conftest import CONF, composed


def wrong(changes: dict[str, object]) -> list[str]:
    config = composed()
    OmegaConf.set_struct(config, False)
    for key, value in changes.items():
        OmegaConf.update(config, key, value)
    return mistakes(config)


def test_every_choice_of_every_group_composes_to_a_valid_configuration() -> None:
    needs = {"csv": ["data.csv=x"], "timm": ["model.name=resnet18"]}
    needs |= {"ai_artbench": ["data.root=x"], "folder": ["data.root=x"]}
    tried = 0
    for group in (
        "data",
        "balance",
        "model",
        "head",
        "loss",
        "stages",
        "trainer",
        "callbacks",
        "logger",
        "augment",
        "finetune",
        "holdout",
        "sweep",
    ):
        for file in sorted((CONF / group).glob("[!_]*.yaml")):
            if file.stem in ("tensorboard", "wandb", "mlflow"):
                continue  # they name the run folder, which Hydra knows only in a run: see test_overrides
            words = [f"{'+' if group in ('finetune', 'holdout') else ''}{group}={file.stem}", *needs.get(file.stem, [])]
            if words[0] == "augment=none":
                words.append("balance=none")
            assert not mistakes(composed(*words)), words
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
        ({"trainer.devices": 0}, "trainer.devices: got 0"),
        ({"head.dropout": "x"}, "head.dropout: got 'x'"),
        ({"head.name": "mpl"}, "head.name: got 'mpl'; allowed: linear, mlp; did you mean mlp?"),
        ({"loss.name": "bc"}, "loss.name: got 'bc'; allowed: bce, focal; did you mean bce?"),
        ({"augment.jpeg": [90, 40]}, "the lowest quality comes first"),
        ({"monitor.metric": "val/auroc"}, "monitor.mode=max"),
        ({"stages.best": {}}, "stages.best.unfreeze: is missing"),
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


def test_a_stage_without_stages_is_refused() -> None:
    config = composed()
    OmegaConf.set_struct(config, False)
    config.stages = {}
    with pytest.raises(ArtclfError, match="stages"):
        validate(config)


def test_nearest_is_silent_where_nothing_is_near() -> None:
    assert nearest("zzz", ["adam", "sgd"]) == ""
    assert nearest("adan", ["adam", "sgd"]) == "; did you mean adam?"
