import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from artclf.config.check import quoted, resume_command, resumed_folder
from artclf.errors import ArtclfError


@pytest.mark.parametrize(
    "path", ["outputs/a", "with space", "it's", "a=b,c", "[x]{y}(z)", "back\\slash", "end\\", "\\'", "ünï", "1"]
)
def test_hydra_reads_a_quoted_path_as_it_is(path: str) -> None:
    (override,) = OverridesParser.create().parse_overrides([f"hydra.run.dir={quoted(path)}"])
    assert override.value() == path


def test_the_folder_is_the_one_typed() -> None:
    assert resumed_folder(["resume='it\\'s here'", "hydra.run.dir=x"], multirun=False) == Path("it's here")
    assert resumed_folder(["seed=1"], multirun=True) is None
    with pytest.raises(ArtclfError, match="leave out seed=1 \\+finetune=all"):
        resumed_folder(["resume=a", "seed=1", "+finetune=all"], multirun=False)
    with pytest.raises(ArtclfError, match="leave -m out"):
        resumed_folder(["resume=a"], multirun=True)


@pytest.mark.parametrize("path", ["outputs/train/2026-01-01_00-00-00", "a(1)/lr=1,bs=2", "it's here"])
def test_the_command_that_is_offered_can_be_pasted(path: str) -> None:
    words = shlex.split(resume_command(Path(path)))
    assert words[:2] == ["python", "train.py"]
    assert resumed_folder(words[2:], multirun=False) == Path(path)
