import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import torch

from artclf.data import prefetch
from artclf.data.prefetch import read_ahead
from artclf.data.transforms import read_square
from artclf.errors import ArtclfError
from tests.conftest import draw


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("ahead")
    files = [folder / f"{number}.png" for number in range(11)]
    for number, file in enumerate(files):
        draw(file, "ai", number, (20 + number, 30))
    files[4].write_text("no picture")
    return files


def decoding() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_batches_come_in_the_order_given_whatever_takes_long(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    second = threading.Event()

    def read(file: Path, *options: object, **more: object) -> torch.Tensor:
        if file == files[0]:
            assert second.wait(60)
        square = read_square(file, *options)
        if file == files[1]:
            second.set()
        return square

    monkeypatch.setattr(prefetch, "read_square", read)
    batches = list(read_ahead(files, size=16, interpolation="bicubic", batch=4, threads=3))
    assert [len(batch.files) for batch in batches] == [4, 4, 3]
    assert [file for batch in batches for file in batch.files] == files
    for file, pixels, reason in ((f, p, r) for b in batches for f, p, r in zip(b.files, b.pixels, b.reasons, strict=True)):
        if file == files[4]:
            assert reason.startswith("not an image artclf can read")
            assert not pixels.any()
        else:
            assert reason == ""
            assert torch.equal(pixels, read_square(file, 16, "bicubic"))
    assert not decoding()


def test_no_files_are_no_batches() -> None:
    assert list(read_ahead([], size=16, interpolation="bilinear", batch=4, threads=2)) == []


def test_files_are_taken_as_they_are_needed_and_left_when_nobody_asks(files: list[Path]) -> None:
    taken = []

    def endless() -> Iterator[Path]:
        for number in count():
            taken.append(number)
            yield files[number % 4]

    batches = read_ahead(endless(), size=16, interpolation="bilinear", batch=4, threads=2)
    assert not taken
    for _ in range(3):
        next(batches)
    assert len(taken) == (3 + 2) * 4
    batches.close()
    assert not decoding()


def test_what_was_not_begun_is_left_when_the_caller_stops(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = [], threading.Event()

    def read(file: Path, *options: object, **more: object) -> torch.Tensor:
        begun.append(file)
        if file in files[5:]:
            assert go_on.wait(60)
        return read_square(files[0], *options)

    monkeypatch.setattr(prefetch, "read_square", read)
    batches = read_ahead(files, size=16, interpolation="bilinear", batch=4, threads=1)
    next(batches)
    threading.Timer(0.2, go_on.set).start()
    del batches  # as when the loop over it is left
    assert not decoding()
    assert len(begun) <= 6


def test_a_listing_that_fails_hands_out_what_came_before(files: list[Path]) -> None:
    def listing() -> Iterator[Path]:
        yield from files[:3]
        raise ArtclfError("a folder that can't be opened")

    batches = read_ahead(listing(), size=16, interpolation="bilinear", batch=2, threads=2)
    assert [next(batches).files, next(batches).files] == [files[:2], files[2:3]]
    with pytest.raises(ArtclfError, match="can't be opened"):
        next(batches)
    assert not decoding()


def test_an_error_of_artclfs_own_is_no_bad_picture(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **more: object) -> torch.Tensor:
        raise AssertionError("a mistake in the code")

    monkeypatch.setattr(prefetch, "read_square", fail)
    with pytest.raises(AssertionError, match="a mistake"):
        list(read_ahead(files, size=16, interpolation="bilinear", batch=4, threads=2))
    assert not decoding()


def test_each_picture_in_several_versions(files: list[Path]) -> None:
    def read(file: Path) -> torch.Tensor:
        square = read_square(file, 16)
        return torch.stack([square, 255 - square])

    got = list(read_ahead(files, size=16, interpolation="bilinear", batch=4, threads=2, versions=2, read=read))
    assert [tuple(batch.pixels.shape) for batch in got] == [(4, 2, 3, 16, 16), (4, 2, 3, 16, 16), (3, 2, 3, 16, 16)]
    assert torch.equal(got[0].pixels[1, 1], 255 - read_square(files[1], 16))
    assert got[1].reasons[0].startswith("not an image")
    assert not got[1].pixels[0].any()
