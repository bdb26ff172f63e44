"""conf/experiment: each can be composed, is what its comment says, and runs."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.conftest import CONF, FAST, composed, config_of, metrics_of

EXPERIMENTS = sorted(file.stem for file in (CONF / "experiment").glob("*.yaml"))
ROOT = "data.root=FOLDER"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_states_its_expected_result_and_is_valid(name: str) -> None:
    text = (CONF / "experiment" / f"{name}.yaml").read_text(encoding="utf-8")
    comment = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
    assert "0." in comment
    assert f"experiment={name}" in comment or f",{name}" in comment
    config = config_of(f"experiment={name}", ROOT)
    assert config.data.source == "ai_artbench"
    assert config.data.image_size == ("auto" if config.model.library == "timm" else 224)


def test_they_are_what_the_seed_study_and_others_did() -> None:
    one, other = (dict(composed(f"experiment=seed_{name}", ROOT)) for name in ("resnet50", "efficientnet_b0"))
    assert OmegaConf.to_container(one.pop("model")) != OmegaConf.to_container(other.pop("model"))
    assert one == other  # the seed's two networks differ in the network alone
    seed = config_of("experiment=seed_resnet50", ROOT)
    assert (seed.model.name, seed.balance.name, seed.head.name) == ("resnet50", "augment", "mlp")
    stages = [(name, stage.unfreeze, stage.optim.lr) for name, stage in seed.stages.items()]
    assert stages == [("head", "auto", 1e-3), ("last10", 10, 1e-5)]
    for model in ("resnet50", "efficientnet_b0"):
        probe = config_of(f"experiment=probe_{model}", ROOT)
        assert (probe.model.name, probe.head.name, list(probe.stages)) == (model, "linear", ["head"])
        assert probe.augment.name == "none"
    (stage,) = config_of("experiment=efficientnet_b0_all", ROOT).stages.values()
    assert (stage.unfreeze, stage.max_epochs, stage.schedule) == ("all", 12, "onecycle")


def test_the_seed_study_runs_and_what_is_typed_replaces_its_settings(train, tmp_path: Path) -> None:
    words = ["data=demo", "data.demo.train_per_folder=4", "data.demo.test_per_folder=2", *FAST, "callbacks=none"]
    words += ["stages.head.max_epochs=1", "stages.last10.max_epochs=1", "stages.last10.unfreeze=3"]
    done = train("experiment=seed_resnet50", *words, f"hydra.run.dir={tmp_path / 'run'}")
    assert done.lines("these scores say nothing about art")
    metrics = metrics_of(tmp_path / "run")
    assert [(stage["name"], stage["layers"]) for stage in metrics["stages"]] == [("head", 0), ("last10", 3)]
    assert (metrics["model"]["name"], metrics["balance"]["name"]) == ("test_byobnet", "augment")
    assert set(metrics["splits"]["test"]["by_generator"]) == {"human", "nearest_conv", "transposed_conv"}
