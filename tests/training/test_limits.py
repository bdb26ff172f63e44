"""Sizes that this machine has no room for are refused with what there is."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torchvision

from artclf.errors import ArtclfError
from artclf.model.backbones import build_backbone
from artclf.runtime import cores, memory
from artclf.training.limits import output_sizes, require_memory, size_mistakes
from tests.conftest import REPOSITORY, TINY, config_of


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (
            ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=1000"],
            f"trainer.devices=1000: allowed on this machine: up to {cores()}, one for each CPU core",
        ),
        (["data.num_workers=5000"], f"data.num_workers=5000: allowed on this machine: up to {max(8, 4 * cores())}"),
        (["data.demo.train_per_folder=1000000000"], "6 folders of 1000000000 + 40 images take about 55,296 GB, and "),
    ],
)
def test_a_size_is_refused_with_what_there_is(words: list[str], reported: str) -> None:
    (line,) = size_mistakes(config_of(*words))
    assert reported in line


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (["head.hidden=1000000000"], "a network of 1,283,004,"),
        (
            ["data.batch_size=1000000000"],
            f"takes at least .* GB; this machine has {memory() / 1e9:,.3g} GB; allowed at this size:",
        ),
        (["data.image_size=2048", f"data.batch_size={memory() // 2**27}"], "with efficientnet_b0 a step takes at least"),
    ],
)
def test_a_network_that_needs_more_memory_is_refused(words: list[str], reported: str) -> None:
    backbone = build_backbone("torchvision", "efficientnet_b0")
    with pytest.raises(ArtclfError, match=reported):
        require_memory(config_of("model=efficientnet_b0", "trainer=cpu", *words), backbone, "32-true")


def test_outputs_are_counted_as_in_the_literature() -> None:
    body = torchvision.models.resnet50(weights=None)
    convolutions = 11.1e6  # at 224 pixels (Radosavovic et al., 2020, table 4); each is followed by a batch normalisation
    everything, largest = output_sizes(body, 224)
    assert everything == pytest.approx(2 * convolutions, rel=0.02)
    assert largest == 64 * 112 * 112
    assert body.training
    assert next(body.parameters()).device.type == "cpu"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="/proc lists the children of a process, on Linux")
@pytest.mark.skipif(cores() < 2, reason="two processes need two cores")
def test_processes_of_a_run_end_with_the_first(pictures: Path, tmp_path: Path) -> None:
    words = [*TINY, "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "model=efficientnet_lite0", "data=folder"]
    words += [f"data.root={pictures}", f"hydra.run.dir={tmp_path / 'run'}"]
    command = [sys.executable, str(REPOSITORY / "train.py"), *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path) as first:
        other = wait_for(lambda: other_process(first.pid), seconds=120)
        os.kill(first.pid, signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{other}").exists(), seconds=30)


def other_process(pid: int) -> str | None:
    """The process of another device that a process has started."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"train_ddp_process_1" in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    return None


def wait_for(happens: Callable[[], object], seconds: float) -> object:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := happens():
            return found
        time.sleep(0.1)
    pytest.fail(f"not within {seconds} s")
