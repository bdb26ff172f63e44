"""resume=FOLDER, where somebody else has written the folder: nothing that it names runs, or is changed outside of it."""

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.conftest import Outcome, composed, config_of

pytestmark = pytest.mark.filterwarnings("default")  # what artclf prints is checked below
OWN_CLASS = """
from pathlib import Path
from lightning.pytorch import Callback
Path({marker!r}).touch()
class Mine(Callback): ...
"""
OUTSIDE = "which lies outside of the run folder"
NOT_RESOLVED = "config.yaml: is not what a run writes (settings, all resolved)"
CHECKPOINT = {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint"}


class Touching:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


@pytest.fixture
def resume(train: Callable[..., Outcome], tmp_path: Path) -> Callable[..., Outcome]:
    """Continue a run whose config.yaml has these changes."""

    def run(changes: dict[str, Any], *words: str) -> Outcome:
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        kept = OmegaConf.create(config_of("data=folder", f"data.root={tmp_path / 'nowhere'}").model_dump(by_alias=True))
        for key, value in changes.items():
            OmegaConf.update(kept, key, value, force_add=True)
        OmegaConf.save(kept, folder / "config.yaml")
        done = train(f"resume={folder}", *words)
        assert done.code == 2  # at the latest because its images are nowhere
        assert "Traceback" not in done.printed
        return done

    return run


SHELL = {"_target_": "torch.utils.collect_env.run", "command": "touch {touched}"}


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("logger.own", {"_target_": "subprocess.Popen", "args": "touch {touched}", "shell": True}),
        ("callbacks.early_stopping.patience", SHELL),
        ("head.hidden", SHELL),
        ("callbacks.own", SHELL),
        ("callbacks.own", {"_target_": "pandas.read_pickle", "filepath_or_buffer": "{pickled}"}),
        ("callbacks.own", {"_target_": "torch.load", "f": "{pickled}", "weights_only": False}),
        ("callbacks.own", {"_target_": "lightning.pytorch.Trainer", "default_root_dir": "{touched}"}),
    ],
)
def test_what_a_folder_names_does_not_run(resume: Callable[..., Outcome], tmp_path: Path, place: str, target: dict) -> None:
    touched, pickled = tmp_path / "touched", tmp_path / "pickled"
    pickled.write_bytes(pickle.dumps(Touching(touched)))
    named = {k: v.format(touched=touched, pickled=pickled) if isinstance(v, str) else v for k, v in target.items()}
    assert resume({place: named}, "resume.trust=true").lines(f"error: {place}")
    assert not touched.exists()


def test_a_users_own_class_needs_the_word_trust(
    resume: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched = tmp_path / "touched"
    (tmp_path / "someones.py").write_text(OWN_CLASS.format(marker=str(touched)))
    monkeypatch.syspath_prepend(tmp_path)
    own = {"callbacks.own": {"_target_": "someones.Mine"}, "resume.folder": "x", "resume.trust": True}
    done = resume(own)  # the folder can't trust itself
    assert done.lines("error: callbacks.own._target_: got someones.Mine, which is not of artclf, lightning, torch")
    assert done.lines("type resume.trust=true too")
    assert not touched.exists()
    assert resume(own, "resume.trust=true").lines("nowhere: does not exist")  # it got as far as the images
    assert touched.exists()
    sys.modules.pop("someones")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"callbacks.best.dirpath": "/tmp"}, f"callbacks.best.dirpath: got /tmp, {OUTSIDE}"),
        ({"callbacks.last.filename": "../../x"}, f"callbacks.last.filename: got ../../x, {OUTSIDE}"),
        (
            {"logger.csv": {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": "elsewhere"}},
            f"logger.csv.save_dir: got elsewhere, {OUTSIDE}",
        ),
        ({"stages.a/b": "${stages.head}"}, NOT_RESOLVED),
        ({"model.weights": "${oc.env:HOME}"}, NOT_RESOLVED),
        ({"stages": {"../x": dict(composed().stages.head)}}, "stages.../x: got '../x'; it should match pattern"),
        ({"callbacks": {"../x": CHECKPOINT}}, "callbacks.../x: got '../x'; it should match pattern"),
    ],
)
def test_places_that_a_folder_names_are_inside_it(resume: Callable[..., Outcome], changes: dict[str, Any], said: str) -> None:
    assert resume(changes).lines(said)


def test_records_of_other_stages_and_files_are_refused(resume: Callable[..., Outcome], tmp_path: Path) -> None:
    numbers = '"unfreeze": 0, "layers": 0, "trainable_parameters": 1, "epochs": 1, "best_epoch": 1, "score": 1, "seconds": 1'
    (tmp_path / "run").mkdir()
    for name, checkpoint in (("head", "/etc/passwd"), ("../x", "../x.ckpt")):
        record = f'{{"name": "{name}", {numbers}, "checkpoint": "{checkpoint}"}}'
        (tmp_path / "run" / "progress.json").write_text(f'{{"command": "x", "stages": [{record}]}}')
        assert resume({}).lines("progress.json: was not written by this version of artclf; begin the run anew")
