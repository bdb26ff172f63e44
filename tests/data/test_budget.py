import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import pytest

from artclf.data import images
from artclf.data.files import Budget
from artclf.data.images import decoded_image
from tests.conftest import draw


@pytest.mark.parametrize("pixels", [1440, 40, 100_000])
def test_threads_decode_together_no_more_than_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int) -> None:
    """With a budget of three, one and less than one of these images of 1,440 pixels."""
    budget = Budget(3 * pixels)
    monkeypatch.setattr(images, "_IN_FLIGHT", budget)
    draw(tmp_path / "image.png", "ai", 0)
    most, now, lock = 0, 0, Lock()

    def read(_: int) -> None:
        nonlocal most, now
        with decoded_image(tmp_path / "image.png") as image:
            with lock:
                now += image.width * image.height
                most = max(most, now)
            assert budget.held >= 1440
            with lock:
                now -= image.width * image.height

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(200)))
    assert budget.held == 0
    assert 1440 <= most <= max(1440, 3 * pixels)


def test_an_error_gives_the_place_back() -> None:
    budget = Budget(10)
    with pytest.raises(ValueError, match="wrong"), budget.hold(100):
        raise ValueError("wrong")
    assert budget.held == 0


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 warns of each fork beside threads
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_forked_process_does_not_wait_for_threads_that_it_does_not_have() -> None:
    budget, context = Budget(10), multiprocessing.get_context("fork")
    with budget.hold(10):
        child = context.Process(target=budget.hold(10).__enter__)
        child.start()
        child.join(20)
        waits = child.is_alive()
        child.kill()
    assert not waits
