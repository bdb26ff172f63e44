import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from artclf.data.prefetch import read_batches
from artclf.data.reader import ImageReader, Pixels
from tests.conftest import draw

READ, SHAPE = ImageReader(16).read, (3, 16, 16)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("prefetch")
    files = [folder / f"{number}.png" for number in range(11)]
    for number, file in enumerate(files):
        draw(file, "ai", number, (20 + number, 30))
    files[4].write_text("no image")
    return files


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_batches_come_in_the_order_given_whatever_takes_long(files: list[Path]) -> None:
    second = threading.Event()

    def read(file: Path) -> Pixels:
        assert file != files[0] or second.wait(60)
        square = READ(file)
        if file == files[1]:
            second.set()
        return np.stack([square, 255 - square])  # two versions of each

    batches = list(read_batches(files, read, (2, *SHAPE), batch=4, threads=3))
    assert [tuple(batch.pixels.shape) for batch in batches] == [(n, 2, *SHAPE) for n in (4, 4, 3)]
    assert [file for batch in batches for file in batch.files] == files
    reasons = [reason for batch in batches for reason in batch.reasons]
    assert [reason[:12] for reason in reasons] == [""] * 4 + ["not an image"] + [""] * 6
    expected = [np.zeros(SHAPE) if reason else 255 - READ(file) for file, reason in zip(files, reasons, strict=True)]
    assert np.array_equal(np.concatenate([batch.pixels for batch in batches])[:, 1], np.stack(expected))
    assert list(read_batches([], READ, SHAPE, batch=4, threads=2)) == []


def test_files_are_taken_as_needed(files: list[Path]) -> None:
    taken = []

    def endless() -> Iterator[Path]:
        for number in count():
            taken.append(number)
            yield files[number % 4]

    batches = read_batches(endless(), READ, SHAPE, batch=4, threads=2)
    assert not taken
    for _ in range(3):
        next(batches)
    assert len(taken) == (3 + 2) * 4
    batches.close()


def test_what_has_not_begun_is_cancelled_when_the_caller_stops(files: list[Path]) -> None:
    begun, go_on = [], threading.Event()

    def read(file: Path) -> Pixels:
        begun.append(file)
        assert file not in files[5:] or go_on.wait(60)
        return READ(files[0])

    batches = read_batches(files, read, SHAPE, batch=4, threads=1)
    next(batches)
    threading.Timer(0.2, go_on.set).start()
    del batches  # as when the loop over it is left
    assert len(begun) <= 6


def test_other_errors_end_it(files: list[Path]) -> None:
    def fail(_: Path) -> Pixels:
        raise AssertionError("a mistake in the code")

    with pytest.raises(AssertionError, match="a mistake"):
        list(read_batches(files, fail, SHAPE, batch=4, threads=2))
