"""resume=FOLDER, where somebody else has written the folder: nothing that it names runs, or is touched outside of it."""

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.conftest import Outcome, composed, config_of

pytestmark = pytest.mark.filterwarnings("default")  # what artclf says is checked below
OWN_CLASS = """
from pathlib import Path
from lightning.pytorch import Callback
Path({marker!r}).touch()
class Mine(Callback): ...
"""


class Touching:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


@pytest.fixture
def resume(train: Callable[..., Outcome], tmp_path: Path) -> Callable[..., Outcome]:
    """Go on with a run whose config.yaml has these changes; a file `touched` tells that something of it ran."""

    def run(changes: dict[str, Any], *words: str) -> Outcome:
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        kept = OmegaConf.create(config_of("data=folder", f"data.root={tmp_path / 'nowhere'}").model_dump(by_alias=True))
        for key, value in changes.items():
            OmegaConf.update(kept, key, value, force_add=True)
        OmegaConf.save(kept, folder / "config.yaml")
        return train(f"resume={folder}", *words)

    return run


POPEN = {"_target_": "subprocess.Popen", "args": "touch {touched}", "shell": True}
SHELL = {"_target_": "torch.utils.collect_env.run", "command": "touch {touched}"}


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("callbacks.own", POPEN),
        ("logger.own", POPEN),
        ("callbacks.early_stopping.patience", SHELL),
        ("head.hidden", SHELL),
        ("callbacks.own", {"_target_": "pandas.read_pickle", "filepath_or_buffer": "{pickled}"}),
        ("logger.own", {"_target_": "joblib.load", "filename": "{pickled}"}),
        ("callbacks.own", {"_target_": "torch.load", "f": "{pickled}", "weights_only": False}),
        ("callbacks.own", SHELL),
        ("callbacks.own", {"_target_": "lightning.pytorch.Trainer", "default_root_dir": "{touched}"}),
    ],
)
def test_what_a_folder_names_does_not_run(resume: Callable[..., Outcome], tmp_path: Path, place: str, target: dict) -> None:
    touched, pickled = tmp_path / "touched", tmp_path / "pickled"
    pickled.write_bytes(pickle.dumps(Touching(touched)))
    named = {k: v.format(touched=touched, pickled=pickled) if isinstance(v, str) else v for k, v in target.items()}
    done = resume({place: named}, "resume.trust=true")
    assert done.code == 2
    assert done.lines(f"error: {place}")
    assert not touched.exists()


def test_a_class_of_ones_own_is_trusted_by_name_alone(
    resume: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched = tmp_path / "touched"
    (tmp_path / "someones.py").write_text(OWN_CLASS.format(marker=str(touched)))
    monkeypatch.syspath_prepend(tmp_path)
    own = {"callbacks.own": {"_target_": "someones.Mine"}, "resume.folder": "x", "resume.trust": True}
    done = resume(own)  # the folder can't trust itself
    assert done.code == 2
    assert done.lines(
        "error: callbacks.own._target_: got someones.Mine, which is not of artclf, lightning, torch; if you trust"
    )
    assert done.lines("type resume.trust=true too")
    assert not touched.exists()
    trusted = resume(own, "resume.trust=true")
    assert trusted.lines("nowhere: does not exist")  # it went on, as far as these pictures go
    assert touched.exists()
    sys.modules.pop("someones")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"callbacks.best.dirpath": "/tmp"}, "callbacks.best.dirpath: got /tmp, which lies outside of the run folder"),
        ({"callbacks.last.filename": "../../x"}, "callbacks.last.filename: got ../../x, which lies outside of the run folder"),
        (
            {"logger.csv": {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": "elsewhere"}},
            "logger.csv.save_dir: got elsewhere, which lies outside of the run folder",
        ),
        ({"stages.a/b": "${stages.head}"}, "config.yaml: is not what a run writes (settings, all resolved)"),
        ({"model.weights": "${oc.env:HOME}"}, "config.yaml: is not what a run writes (settings, all resolved)"),
        ({"stages": {"../x": dict(composed().stages.head)}}, "'../x' can't be a name here"),
        ({"callbacks": {"../x": {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint"}}}, "'../x' can't be a name here"),
    ],
)
def test_places_that_a_folder_names_lie_inside_it(resume: Callable[..., Outcome], changes: dict[str, Any], said: str) -> None:
    done = resume(changes)
    assert done.code == 2
    assert done.lines(said)
    assert "Traceback" not in done.printed


def test_records_of_other_stages_and_files_are_refused(resume: Callable[..., Outcome], tmp_path: Path) -> None:
    record = (
        '{{"name": "{}", "unfreeze": 0, "layers": 0, "trainable_parameters": 1, "epochs": 1, "best_epoch": 1, "score": 1.0, '
    )
    record += '"seconds": 1.0, "checkpoint": "{}"}}'
    (tmp_path / "run").mkdir()
    for name, checkpoint in (("head", "/etc/passwd"), ("../x", "../x.ckpt")):
        text = f'{{"command": "x", "stages": [{record.format(name, checkpoint)}]}}'
        (tmp_path / "run" / "progress.json").write_text(text)
        done = resume({})
        assert done.code == 2
        assert done.lines("progress.json: was not written by this version of artclf; begin the run anew")
