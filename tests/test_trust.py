"""resume=FOLDER, where somebody else has written the folder: nothing that it names runs, or is changed outside of it."""

import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from artclf.errors import ArtclfError
from artclf.training.resume import open_run_folder
from tests.conftest import composed, config_of

PLACE = "a place to write to"
NOT_RESOLVED = "config.yaml: is not what a run writes: there must be settings, all resolved"
CHECKPOINT = {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint"}
SHELL = {"_target_": "torch.utils.collect_env.run", "command": "touch {touched}"}


def write_config(folder: Path, changes: dict[str, Any]) -> None:
    """The config.yaml of a run whose images are nowhere, with these changes."""
    folder.mkdir(exist_ok=True)
    kept = OmegaConf.create(config_of("data=folder", f"data.root={folder / 'nowhere'}").model_dump(by_alias=True))
    for key, value in changes.items():
        OmegaConf.update(kept, key, value, force_add=True)
    OmegaConf.save(kept, folder / "config.yaml")


def refusal_of(folder: Path, changes: dict[str, Any], *words: str) -> str:
    """Why a run whose config.yaml has these changes can't continue; empty where it can."""
    write_config(folder, changes)
    try:
        open_run_folder(folder, composed(f"resume.folder={folder}", *words), "python train.py")
    except ArtclfError as error:
        return str(error)
    return ""


class Touching:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


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
def test_what_a_folder_names_does_not_run(tmp_path: Path, place: str, target: dict) -> None:
    touched, pickled = tmp_path / "touched", tmp_path / "pickled"
    pickled.write_bytes(pickle.dumps(Touching(touched)))
    named = {k: v.format(touched=touched, pickled=pickled) if isinstance(v, str) else v for k, v in target.items()}
    assert refusal_of(tmp_path / "run", {place: named}, "resume.trust=true").startswith(place)
    assert not touched.exists()


def test_a_users_own_class_needs_the_word_trust(train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touched, run = tmp_path / "touched", tmp_path / "run"
    code = f"from pathlib import Path\nfrom lightning.pytorch import Callback\nPath({str(touched)!r}).touch()\n"
    (tmp_path / "someones.py").write_text(f"{code}class Mine(Callback): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    # the folder can't trust itself
    write_config(run, {"callbacks.own": {"_target_": "someones.Mine"}, "resume.folder": "x", "resume.trust": True})
    done = train(f"resume={run}", code=2)
    assert done.lines("error: callbacks.own._target_: got someones.Mine, which is not of artclf, lightning, torch")
    assert done.lines("type resume.trust=true too")
    assert not touched.exists()
    done = train(f"resume={run}", "resume.trust=true", code=2)
    assert done.lines("nowhere: does not exist")  # it got as far as the images
    assert touched.exists()
    sys.modules.pop("someones")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"callbacks.best.dirpath": "/tmp"}, f"callbacks.best.dirpath: got /tmp, {PLACE}"),
        ({"callbacks.last.filename": "../../x"}, f"callbacks.last.filename: got ../../x, {PLACE}"),
        (
            {"logger.csv": {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": "elsewhere"}},
            f"logger.csv.save_dir: got elsewhere, {PLACE}",
        ),
        ({"stages.a/b": "${stages.head}"}, NOT_RESOLVED),
        ({"model.weights": "${oc.env:HOME}"}, NOT_RESOLVED),
        ({"stages": {"../x": dict(composed().stages.head)}}, "stages.../x: got '../x'; it should match pattern"),
        ({"callbacks": {"../x": CHECKPOINT}}, "callbacks.../x: got '../x'; it should match pattern"),
        (
            {"data.source": "demo", "data.root": "/tmp/x", "data.demo": dict(composed().data.demo)},
            "data.root: got /tmp/x, where",
        ),
    ],
)
def test_places_that_a_folder_names_are_inside_it(tmp_path: Path, changes: dict[str, Any], refusal: str) -> None:
    assert refusal in refusal_of(tmp_path / "run", changes)


@pytest.mark.parametrize(("name", "checkpoint"), [("head", "/etc/passwd"), ("../x", "../x.ckpt")])
def test_records_of_other_stages_and_files_are_refused(tmp_path: Path, name: str, checkpoint: str) -> None:
    numbers = '"unfreeze": 0, "layers": 0, "trainable_parameters": 1, "epochs": 1, "best_epoch": 1, "score": 1, "seconds": 1'
    record = f'{{"name": "{name}", {numbers}, "checkpoint": "{checkpoint}"}}'
    (tmp_path / "progress.json").write_text(f'{{"command": "x", "stages": [{record}]}}')
    assert "is not of this run; begin the run anew" in refusal_of(tmp_path, {})
