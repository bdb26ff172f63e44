"""What tests share: small drawn pictures in the layouts that users have, and the real train.py."""

import gc
import json
import os
import runpy
import sys
import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig
from PIL import Image

from artclf.config.schema import Config
from artclf.config.validate import validate
from tests.apart import REPOSITORY

if TYPE_CHECKING:
    from tests.services import Kaggle

# other tests run on the CPU, where results are the same everywhere; tests/test_gpu.py gives its processes the GPUs back
GPUS = os.environ.setdefault("ARTCLF_TEST_GPUS", os.environ.get("CUDA_VISIBLE_DEVICES", "all"))
GPUS = None if GPUS == "all" else GPUS
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ.setdefault("OMP_NUM_THREADS", "1")  # several processes test at once; with more threads they wait for one another
CONF = REPOSITORY / "conf"
TINY = ["data.image_size=32", "data.batch_size=8", "data.num_workers=0", "report=false", "audit.images=0"]
TINY += ["calibration.false_positive_rate=0.5", "calibration.false_negative_rate=0.5"]  # what few validation pictures promise
FROZEN = [*TINY, "model=timm", "model.name=test_byobnet", "model.weights=none", "stages.head.unfreeze=0"]
FAST = [*FROZEN, "trainer=cpu"]
"""A frozen random network of 0.1 million weights, where it does not matter what is learned: a run of a second."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that no process is left alone with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def _small_forests() -> Iterator[None]:
    """Audits take seconds with as many trees as usual; those of tests that start train.py apart have them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("artclf.evaluation.shortcuts.TREES", 4)
        yield


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test draws into a user's cache, finds a data set there, or asks the network for weights."""
    monkeypatch.setenv("ARTCLF_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path_factory.getbasetemp() / "kagglehub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path_factory.getbasetemp() / "torch"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def draw(path: Path, label: str, seed: int, size: tuple[int, int] = (40, 36)) -> None:
    """A picture of noise; those of AI have a grid in it, which a network learns at once."""
    rng = np.random.default_rng([seed, label == "ai"])
    pixels = rng.integers(60, 196, size=(size[1], size[0], 3), dtype=np.uint8)
    if label == "ai":
        pixels[::4] = 255
        pixels[:, ::4] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """[split/](ai|human)/[generator/][style/]: 36 pictures to train on, 12 to test, 4 of a split `unseen`."""
    root = tmp_path_factory.mktemp("pictures")
    seed = 0
    for split, count in (("train", 6), ("test", 2)):
        for generator in ("alpha", "beta"):
            for style in ("plain", "rough"):
                for number in range(count):
                    draw(root / split / "ai" / generator / style / f"{number}.png", "ai", seed := seed + 1)
        for style in ("plain", "rough"):
            for number in range(count):
                draw(root / split / "human" / style / f"{number}.png", "human", seed := seed + 1)
    for number in range(4):
        draw(root / "unseen" / "ai" / "gamma" / f"{number}.png", "ai", seed := seed + 1)
    return root


@cache
def _composed(words: tuple[str, ...]) -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=list(words))


def composed(*words: str) -> DictConfig:
    """What Hydra composes of conf/ and the overrides, without its own part."""
    return deepcopy(_composed(words))


def config_of(*words: str) -> Config:
    return validate(composed(*words))


def metrics_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "metrics.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Outcome:
    """What train.py printed."""

    printed: str

    def lines(self, word: str) -> list[str]:
        return [line for line in self.printed.splitlines() if word in line]


@pytest.fixture
def train(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Outcome]:
    """Run the real train.py with these words, in this process, in a folder of its own; it has to end with this exit code."""

    def run(*words: str, code: int = 0) -> Outcome:
        GlobalHydra.instance().clear()
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [str(REPOSITORY / "train.py"), *words])
        capfd.readouterr()
        try:
            runpy.run_path(str(REPOSITORY / "train.py"), run_name="__main__")
            ended = 0
        except SystemExit as end:
            ended = int(end.code or 0)
        done = Outcome("".join(capfd.readouterr()))
        assert ended == code, done.printed
        return done

    return run


@pytest.fixture(scope="session")
def archive() -> bytes:
    """What the stand-in for Kaggle serves."""
    from tests.services import archive

    return archive()


@pytest.fixture
def kaggle(archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Kaggle"]:
    """A stand-in for Kaggle that kagglehub asks instead; without the user's credentials, cache and proxies."""
    from kagglesdk import kaggle_env

    from tests.services import Kaggle

    for name in [name for name in os.environ if name.startswith(("KAGGLE", "TBE_")) or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE", "KAGGLE_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kagglehub"))
    monkeypatch.setattr("artclf.data.sources.artbench_download.NEEDED", int(2.1 * len(archive)))
    with Kaggle(archive).serving() as kaggle:
        # the one thing that no environment variable changes: where kagglehub looks for the service
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, kaggle.url)
        # kagglehub leaves answers open that it does not read to their end: they go here, and trouble no other test
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "unclosed <socket", ResourceWarning)
            gc.freeze()  # what was there before the test need not be gone through
            yield kaggle
            gc.collect()
            gc.unfreeze()


def shared_data(name: str) -> Path | None:
    """The folder of real pictures that some checkouts have beside them."""
    folder = Path(os.environ.get("ARTCLF_SHARED_DATA", REPOSITORY.parent / "shared" / "data")) / name
    return folder if folder.exists() else None
