"""How commands end that the user, the machine or a signal has stopped."""

import errno
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from artclf.errors import INTERRUPTED, TERMINATED, USAGE_ERROR, ArtclfError, boundary, ending, reason_of, without_folders
from artclf.model.classifier import ArtClassifier
from artclf.training.launch import _end
from tests.conftest import FAST

FROM_WORKER = "Caught OSError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n  …\nOSError: gone"


def during(interruption: BaseException) -> BaseException:
    """What a library raises while it cleans up after an interruption."""
    try:
        try:
            raise interruption
        finally:
            raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Terminated.")
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (ArtclfError("a.json: x"), USAGE_ERROR, "a.json: x"),
        (OSError(errno.ENOSPC, "No space left on device", "a.ckpt"), USAGE_ERROR, "a.ckpt: no space left on device; make room"),
        (PermissionError(errno.EACCES, "Permission denied", "out"), USAGE_ERROR, "out: permission denied; mend that"),
        (OSError(FROM_WORKER), USAGE_ERROR, "gone"),
        (RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"), USAGE_ERROR, "try data.num_workers=0"),
        (MemoryError("512 GB"), USAGE_ERROR, "the memory is full (512 GB)"),
        (KeyboardInterrupt(), INTERRUPTED, "interrupted"),
        (during(KeyboardInterrupt()), INTERRUPTED, "interrupted"),
    ],
)
def test_an_error_that_is_no_bug_is_a_line_and_an_exit_code(error: BaseException, code: int, expected: str) -> None:
    end = ending(error, "--to FOLDER")
    assert end is not None
    assert end.code == code
    assert expected in end.message
    assert len(end.message.splitlines()) == 1


@pytest.mark.parametrize(
    ("said", "expected"), [("its server\n  says no.", "its server says no"), ("", "OSError"), ("x" * 999, "x" * 300)]
)
def test_the_reason_of_a_library_is_one_line(said: str, expected: str) -> None:
    assert reason_of(OSError(said)) == expected


def test_folders_are_left_out_of_json_and_nothing_else() -> None:
    text = '{"of":"/home/me/own","model":"hub:timm/x","at":"https://a.org/b","windows":"C:\\\\me\\\\own","n":"1/2"}'
    assert without_folders(text) == text.replace("/home/me/", "").replace("C:\\\\me\\\\", "")


def test_a_bug_goes_through() -> None:
    with pytest.raises(ZeroDivisionError), boundary("--to FOLDER"):
        1 / 0  # noqa: B018


def test_a_signal_that_a_destructor_swallows_ends_the_command_all_the_same() -> None:
    class Swallowing:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(1000):  # where Python handles it
                pass

    def command() -> None:
        with boundary("--to FOLDER"):
            Swallowing()
            raise RuntimeError("a process was killed")

    with pytest.raises(SystemExit) as end:
        command()
    assert end.value.code == TERMINATED
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_name_that_the_output_can_not_show_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))
    with boundary("--to FOLDER"):
        print("浮 \udcff [bold]")  # noqa: T201
    assert written.getvalue().strip() == rb"\u6d6e \udcff [bold]"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize(("command", "code", "expected"), [("{} | true", "1", ""), ("{} > /dev/full", "2", "no space left")])
def test_an_output_that_takes_nothing_ends_a_command_in_at_most_a_line(command: str, code: str, expected: str) -> None:
    inner = "import time; from artclf.cli import app; time.sleep(0.3); app(['version'])"
    shell = command.format(f'({sys.executable} -c "{inner}"; echo $? >&2)')
    done = subprocess.run(shell, shell=True, capture_output=True, text=True, check=False, timeout=60)
    *lines, last = done.stderr.splitlines()
    assert last == code
    assert len(lines) == bool(expected)
    assert expected in "".join(lines)


def press_ctrl_c() -> None:
    raise KeyboardInterrupt


def send_sigterm() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("hook", "stop", "code", "said"),
    [
        ("training_step", press_ctrl_c, INTERRUPTED, "interrupted"),
        ("training_step", send_sigterm, TERMINATED, "terminated"),
        ("on_test_start", press_ctrl_c, INTERRUPTED, "interrupted"),
    ],
)
def test_a_run_that_is_stopped_says_how_it_continues(
    train, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: str, stop: Any, code: int, said: str
) -> None:
    whole, in_test = getattr(ArtClassifier, hook), hook == "on_test_start"

    def stopped(self: ArtClassifier, *batch: object) -> object:
        if in_test or self.current_epoch == 1:
            stop()
        return whole(self, *batch)

    monkeypatch.setattr(ArtClassifier, hook, stopped)
    words = ["data=folder", f"data.root={pictures}", *FAST, "stages.head.max_epochs=2", f"hydra.run.dir={tmp_path / 'run'}"]
    before = signal.getsignal(signal.SIGINT)
    try:
        done = train(*words, code=code)
    finally:
        signal.signal(signal.SIGINT, before)  # Lightning leaves it ignored
    assert done.lines(f"{said}; to continue after the last finished epoch: python train.py resume={tmp_path / 'run'}")
    assert "Traceback" not in done.printed
    kept = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)
    assert kept["epoch"] == in_test  # the last that was finished
    assert kept["optimizer_states"]
    assert train(*words, code=2).lines(f"python train.py resume={tmp_path / 'run'} continues it")


def test_a_run_folder_that_can_not_be_made_is_one_line(train, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = train("data=folder", f"data.root={pictures}", *FAST, f"hydra.run.dir={tmp_path / 'file' / 'run'}", code=USAGE_ERROR)
    assert done.printed.startswith(f"error: {tmp_path / 'file'}")
    assert done.printed.strip().endswith("or type hydra.run.dir=FOLDER")
    assert len(done.printed.splitlines()) == 1


def test_a_failed_run_of_a_multirun_may_name_what_is_not_utf8(tmp_path: Path) -> None:
    _end(ArtclfError("caf\udce9: is no image"), tmp_path, multirun=True)
    assert (tmp_path / "error.txt").read_text() == "caf\\xe9: is no image"
