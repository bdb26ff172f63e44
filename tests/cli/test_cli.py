import subprocess
import sys
from pathlib import Path

import torch
from typer.testing import CliRunner

import artclf
from artclf.cli import app


def test_version() -> None:
    assert CliRunner().invoke(app, ["version"]).stdout.strip() == artclf.__version__


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from artclf.cli import app;"
        "print(CliRunner().invoke(app, ['--help']).stdout); print({'torch', 'pandas', 'matplotlib'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "predict" in printed
    assert printed.strip().endswith("set()")


def test_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["predict", str(tmp_path / "nope"), "a.png"])
    assert done.exit_code == 2
    assert "nope: there is no such run folder or checkpoint" in done.stderr


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    torch.save({"hyper_parameters": {"library": "timm"}}, tmp_path / "other.ckpt")
    for name in ("text.ckpt", "other.ckpt"):
        done = CliRunner().invoke(app, ["predict", str(tmp_path / name), "a.png"])
        assert done.exit_code == 2
        assert f"{name}: is no checkpoint of artclf's" in done.stderr
