import multiprocessing
import pickle
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from artclf.cache import array_store
from artclf.cache.array_store import RowStore, StoreError, require_room

SPAWN = multiprocessing.get_context("spawn")


def key(number: int) -> bytes:
    return number.to_bytes(32)


def content(numbers: list[int]) -> np.ndarray:
    return np.array([[number % 251] * 5 for number in numbers], dtype=np.uint8)


def fill(store: RowStore, numbers: list[int]) -> None:
    with store.building():
        store.append([], np.empty((0, 5), dtype=np.uint8))  # a batch may have nothing new
        store.append([key(number) for number in numbers], content(numbers))


def assert_holds(store: RowStore, numbers: list[int]) -> None:
    assert np.array_equal(store.read(store.find([key(n) for n in numbers])), content(numbers))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def opened(folder: Path) -> RowStore:
    return RowStore(folder, 5, {"what": "a test"})


def test_rows_are_found_by_their_keys_in_any_order(folder: Path) -> None:
    store = opened(folder)
    fill(store, [3, 1, 2])
    fill(store, [7, 6])
    for one in (store, pickle.loads(pickle.dumps(store)), opened(folder)):
        assert len(one) == 5
        assert one.find([key(9), key(1)]).tolist() == [-1, 1]
        assert_holds(one, [6, 3, 2, 7, 2])  # of both segments, and one twice
        one.read(one.find([key(3)]))[:] = 0  # an array of its own
        assert_holds(one, [3])


def test_an_interrupted_build_keeps_whole_segments_only(folder: Path) -> None:
    store = opened(folder)

    def interrupted() -> None:
        with store.building():
            store.append([key(1)], content([1]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert_holds(store, [1])
    (folder / "0001.rows.npy.new").write_bytes(b"half a file")
    (folder / "0001.rows.npy").write_bytes(b"rows without keys")
    assert len(opened(folder)) == 1
    fill(store, [2])
    assert_holds(opened(folder), [1, 2])


def build(folder: Path, rows: int) -> int:
    """Add rows that are missing, a segment each. Returns how many."""
    array_store.COMMIT_SECONDS = 0.0
    store = opened(folder)
    with store.building():
        missing = [number for number in range(rows) if store.find([key(number)])[0] < 0]
        for number in missing:
            store.append([key(number)], content([number]))
            time.sleep(0.01)
    return len(missing)


def test_a_killed_build_keeps_what_it_had(folder: Path) -> None:
    child = SPAWN.Process(target=build, args=(folder, 1000))
    child.start()
    deadline = time.monotonic() + 300
    while len(list(folder.glob("*.keys.npy"))) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    child.kill()
    child.join()
    store = opened(folder)
    assert 20 <= len(store) < 1000
    assert_holds(store, list(range(20)))
    fill(store, [5000])  # the lock has gone with the process
    assert_holds(opened(folder), [19, 5000])


def test_processes_build_in_turn_and_a_reader_finds_the_new_rows_later(folder: Path) -> None:
    reader = opened(folder)
    with ProcessPoolExecutor(2, SPAWN) as pool:
        assert sorted(pool.map(build, [folder] * 2, [20] * 2)) == [0, 20]
    fill(reader, [20])
    assert len(reader) == 21
    assert_holds(reader, list(range(21)))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line_and_leaves_nothing_of_the_build(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(folder)
    fill(store, [1])
    monkeypatch.setattr(array_store, "COMMIT_BYTES", 1)
    monkeypatch.setattr(array_store, "replacing", lambda _: nullcontext(Path("/dev/full")))

    def build() -> None:
        with store.building():
            store.append([key(2)], content([2]))
            store.append([key(3)], content([3]))

    with pytest.raises(StoreError, match=r"store: the disk is full; artclf cache clear makes room") as caught:
        build()
    assert "\n" not in str(caught.value)
    assert {path.name for path in folder.iterdir()} == {".lock", "0000.keys.npy", "0000.rows.npy", "about.json"}
    assert store.find([key(1), key(2)]).tolist() == [0, -1]


def test_a_store_that_cannot_be_made_or_locked_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"not a directory; ARTCLF_CACHE names another folder"):
        opened(tmp_path / "file" / "store")
    store = opened(tmp_path / "store")

    def refuse(*args: object, **kwargs: object) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(array_store.FileLock, "acquire", refuse)
    with pytest.raises(StoreError, match="this file system has no locks"), store.building():
        pytest.fail("nobody may build without a lock")


def test_too_little_room_is_refused(tmp_path: Path) -> None:
    require_room(tmp_path, 10, None)
    with pytest.raises(StoreError, match=r"take 1e\+09 GB, more than half of the .* GB that are free.*cache.max_gb=NUMBER"):
        require_room(tmp_path, 10**18, None)
    with pytest.raises(StoreError, match=r"would take 2 GB, more than cache.max_gb=1.5 allows"):
        require_room(tmp_path, 2 * 10**9, 1.5)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_reading_gives_mapped_memory_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 2**20
    store = RowStore(folder, size, {"what": "a test"})
    with store.building():
        for number in range(64):
            store.append([key(number)], np.full((1, size), number, dtype=np.uint8))

    def resident() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssFile")) * 1024

    def growth(limit: int) -> int:
        monkeypatch.setattr(array_store, "RESIDENT_BYTES", limit)
        reader = RowStore(folder, size, {})
        before = resident()
        for number in range(64):
            assert reader.read(np.array([number]))[0, -1] == number
        return resident() - before

    assert growth(2**30) > 32 * size  # it can fail
    assert growth(4 * size) < 16 * size


@pytest.mark.parametrize("part", [array_store.KEYS, array_store.ROWS])
@pytest.mark.parametrize("damaged", [b"", b"PK\3\4 no array", "half", "folder", None])
def test_a_damaged_segment_and_those_after_it_are_made_anew(
    folder: Path, part: str, damaged: bytes | str | None, caplog: pytest.LogCaptureFixture
) -> None:
    for numbers in ([1, 2], [3, 4], [5]):
        fill(opened(folder), numbers)
    file = folder / f"0001{part}"
    was = file.read_bytes()
    file.unlink()
    if damaged == "folder":
        file.mkdir()
        with pytest.raises(StoreError, match="is a directory"):
            opened(folder)
        return
    if damaged is not None:
        file.write_bytes(was[:-3] if isinstance(damaged, str) else damaged)
    store = opened(folder)
    assert "is damaged" in caplog.text
    assert store.find([key(n) for n in (1, 2, 3, 5)]).tolist() == [0, 1, -1, -1]
    fill(store, [3, 4, 5])
    assert_holds(opened(folder), [5, 1, 3])


def test_a_store_that_shrinks_under_a_process_is_an_error_and_no_crash(folder: Path) -> None:
    store = opened(folder)
    fill(store, [1, 2])
    rows = folder / f"0000{array_store.ROWS}"
    rows.write_bytes(rows.read_bytes()[:-5])
    with pytest.raises(StoreError, match="another process has changed it"):
        store.read(store.find([key(2)]))


def test_a_damaged_description_is_written_anew(folder: Path) -> None:
    fill(opened(folder), [1])
    for damaged in (b"", b"\xff", b"[]", b'{"what": 3}'):
        (folder / array_store.ABOUT).write_bytes(damaged)
        assert len(opened(folder)) == 1
        assert array_store.read_about(folder)["what"] == "a test"
