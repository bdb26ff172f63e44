"""conf/experiment: each can be composed, is what its comment says, and runs."""

from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from tests.conftest import CONF, FAST, composed, config_of
from tests.test_train import metrics_of

EXPERIMENTS = sorted(file.stem for file in (CONF / "experiment").glob("*.yaml"))
ROOT = "data.root=FOLDER"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_tells_what_it_should_reach_and_is_valid(name: str) -> None:
    text = (CONF / "experiment" / f"{name}.yaml").read_text(encoding="utf-8")
    comment = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
    assert "0." in comment
    assert f"experiment={name}" in comment or f",{name}" in comment
    config = config_of(f"experiment={name}", ROOT)
    assert config.data.source == "ai_artbench"
    assert config.data.image_size == 224


def test_they_are_what_the_study_and_others_did() -> None:
    seed = config_of("experiment=seed_resnet50", ROOT)
    assert (seed.model.name, seed.balance.name, seed.head.name) == ("resnet50", "augment", "mlp")
    assert [(name, stage.unfreeze, stage.optim.lr) for name, stage in seed.stages.items()] == [
        ("head", "auto", 1e-3),
        ("last10", 10, 1e-5),
    ]
    for model in ("resnet50", "efficientnet_b0"):
        probe = config_of(f"experiment=probe_{model}", ROOT)
        assert (probe.model.name, probe.head.name, list(probe.stages)) == (model, "linear", ["head"])
        assert not probe.augment.alters
    (stage,) = config_of("experiment=efficientnet_b0_all", ROOT).stages.values()
    assert (stage.unfreeze, stage.max_epochs, stage.schedule) == ("all", 12, "onecycle")
    assert (stage.optim.name, stage.optim.lr) == ("adamw", 3e-4)


def test_the_seeds_two_networks_differ_in_the_network_alone() -> None:
    one, other = (
        OmegaConf.to_container(composed(f"experiment=seed_{name}", ROOT), resolve=True)
        for name in ("resnet50", "efficientnet_b0")
    )
    assert isinstance(one, dict)
    assert isinstance(other, dict)
    assert one["model"].pop("name") != other["model"].pop("name")
    assert one == other


def test_what_is_typed_beats_the_experiment() -> None:
    config = config_of(
        "experiment=seed_resnet50", "data=demo", "model=efficientnet_lite0", "stages.last10.unfreeze=3", "seed=5"
    )
    assert (config.data.source, config.model.name, config.stages["last10"].unfreeze, config.seed) == (
        "demo",
        "efficientnet_lite0",
        3,
        5,
    )


def test_the_seed_study_runs_from_one_word(train, pictures: Path, tmp_path: Path) -> None:
    words = ["data=folder", f"data.root={pictures}", *FAST]
    short = ["stages.head.max_epochs=1", "stages.last10.max_epochs=1", f"hydra.run.dir={tmp_path / 'run'}"]
    done = train("experiment=seed_resnet50", *words, *short)
    assert done.code == 0, done.printed
    assert [stage["name"] for stage in metrics_of(tmp_path / "run")["stages"]] == ["head", "last10"]
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["balance"]["name"] == "augment"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["experiment=seed_resnet5"], "did you mean seed_resnet50?"),
        (["experiment=seed_resnet50", "+finetune=all"], "replace it, without the plus: finetune=NAME"),
        (["experiment=probe_resnet50", "finetune=all"], "it is appended, with a plus: +finetune=NAME"),
    ],
)
def test_a_mistake_with_experiments_is_one_clear_line(train, words: list[str], said: str) -> None:
    done = train(*words, ROOT)
    assert done.code == 2
    (line,) = (line for line in done.printed.splitlines() if line.startswith("error: "))
    assert said in line
