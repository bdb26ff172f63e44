import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from artclf.cache import array_store as module
from artclf.cache.array_store import MemoryRows, RowStore, StoreError, require_room


def key(number: int) -> bytes:
    return number.to_bytes(32)


def content(numbers: list[int]) -> np.ndarray:
    return np.array([[number % 251] * 5 for number in numbers], dtype=np.uint8)


def fill(store: RowStore | MemoryRows, numbers: list[int]) -> None:
    with store.building():
        store.append([key(number) for number in numbers], content(numbers))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def opened(folder: Path) -> RowStore:
    return RowStore(folder, 5, {"what": "a test"})


def test_rows_are_found_by_their_keys_in_any_order_and_by_later_processes(folder: Path) -> None:
    fill(opened(folder), [3, 1, 2])
    store = opened(folder)
    fill(store, [7, 6])
    again = opened(folder)
    for one in (store, again):
        assert len(one) == 5
        assert one.find([key(9), key(1)]).tolist()[0] == -1
        asked = [6, 3, 2, 7, 2]  # of both segments, and one twice
        assert np.array_equal(one.read(one.find([key(n) for n in asked])), content(asked))
    first = again.read(again.find([key(3)]))
    first[:] = 0  # an array of its own
    assert np.array_equal(again.read(again.find([key(3)])), content([3]))


def test_memory_holds_rows_alike() -> None:
    rows = MemoryRows(5)
    fill(rows, [3, 1])
    assert rows.find([key(1), key(2)]).tolist() == [1, -1]
    assert np.array_equal(rows.read(np.array([1, 0])), content([1, 3]))


def test_a_batch_may_have_nothing_new(folder: Path) -> None:
    for store in (opened(folder), MemoryRows(5)):
        with store.building():
            store.append([], np.empty((0, 5), dtype=np.uint8))
            store.append([key(1)], content([1]))
            store.append([], np.empty((0, 5), dtype=np.uint8))
        assert np.array_equal(store.read(store.find([key(1)])), content([1]))


def test_what_an_error_breaks_off_is_kept_and_what_was_half_written_is_not(folder: Path) -> None:
    store = opened(folder)

    def interrupted() -> None:
        with store.building():
            store.append([key(1)], content([1]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert store.find([key(1)]).tolist() == [0]
    fill(store, [2])
    with (folder / "0001.keys").open("ab") as keys:
        keys.write(b"half a key")
    with (folder / "0001.rows").open("ab") as rows:
        rows.write(b"xx")
    again = opened(folder)
    assert len(again) == 2
    (folder / "0001.rows").write_bytes(b"")  # keys without their rows are none
    assert opened(folder).find([key(1), key(2)]).tolist() == [0, -1]


CHILD = """
import sys, time
from pathlib import Path
from artclf import rows
from tests.cache.test_array_store import content, key, opened
rows.COMMIT_SECONDS = 0.0
store = opened(Path(sys.argv[1]))
with store.building():
    for number in range(1000):
        store.append([key(number)], content([number]))
        print(number, flush=True)
        time.sleep(0.01)
"""


def test_a_build_that_is_killed_keeps_what_it_had(folder: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, "-c", CHILD, folder], stdout=subprocess.PIPE, env=environment, cwd=root) as child:
        assert child.stdout is not None
        for _ in range(20):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    store = opened(folder)
    assert 19 <= len(store) < 1000
    assert np.array_equal(store.read(store.find([key(n) for n in range(19)])), content(list(range(19))))
    fill(store, [5000])  # the lock has gone with the process
    assert opened(folder).find([key(5000)])[0] >= 0


def test_two_processes_that_build_at_once_do_so_in_turn(folder: Path) -> None:
    """The second waits, and then finds what the first has written, though it had looked while that was going on."""
    root = Path(__file__).parents[2]
    script = """
import sys, time
from pathlib import Path
from tests.cache.test_array_store import content, key, opened
store = opened(Path(sys.argv[1]))
with store.building():
    missing = [n for n in range(40) if store.find([key(n)])[0] < 0]
    for n in missing:
        store.append([key(n)], content([n]))
        time.sleep(0.02)
print(len(missing))
"""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    both = [
        subprocess.Popen([sys.executable, "-c", script, folder], stdout=subprocess.PIPE, text=True, env=environment, cwd=root)
        for _ in range(2)
    ]
    printed = sorted(int(child.communicate(timeout=300)[0]) for child in both)
    assert printed == [0, 40]
    store = opened(folder)
    assert len(store) == 40
    assert np.array_equal(store.read(store.find([key(n) for n in range(40)])), content(list(range(40))))


def test_one_that_looks_while_another_builds_sees_the_rest_later(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMIT_SECONDS", 0.0)
    writer = opened(folder)
    with writer.building():
        writer.append([key(1)], content([1]))
        reader = opened(folder)
        assert len(reader) == 1
        writer.append([key(2)], content([2]))
    with reader.building():
        pass
    assert np.array_equal(reader.read(reader.find([key(2), key(1)])), content([2, 1]))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line_and_leaves_nothing_behind(folder: Path) -> None:
    store = opened(folder)
    fill(store, [1])
    (folder / "0001.rows").symlink_to("/dev/full")
    with pytest.raises(StoreError, match=r"store: the disk is full; artclf cache clear makes room") as caught, store.building():
        store.append([key(2)], content([2]))
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "0000.keys", "0000.rows", "about.json"]
    assert opened(folder).find([key(1), key(2)]).tolist() == [0, -1]


def test_a_folder_that_can_not_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"not a directory; ARTCLF_CACHE names another folder"):
        opened(tmp_path / "file" / "store")


def test_a_file_system_without_locks_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock")

    store = opened(folder)
    monkeypatch.setattr(module.FileLock, "acquire", refuse)
    with pytest.raises(StoreError, match="this file system has no locks"), store.building():
        pytest.fail("nobody may build without a lock")


def test_room_is_asked_for_before_anything_is_written(tmp_path: Path) -> None:
    require_room(tmp_path, 10, None)
    with pytest.raises(
        StoreError, match=r"would take 1e\+09 GB, more than half of the .* GB that are free.*cache.max_gb=NUMBER"
    ):
        require_room(tmp_path, 10**18, None)
    with pytest.raises(StoreError, match=r"would take 2 GB, more than cache.max_gb=1.5 allows"):
        require_room(tmp_path, 2 * 10**9, 1.5)


def test_reading_does_not_let_memory_grow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mapped pages are given back: what was read of the file does not stay with the process."""
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("needs Linux")

    def resident() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssFile")) * 1024

    size = 2**20
    store = RowStore(folder, size, {"what": "a test"})
    with store.building():
        for number in range(64):
            store.append([key(number)], np.full((1, size), number, dtype=np.uint8))

    def growth(limit: int) -> int:
        monkeypatch.setattr(module, "RESIDENT_BYTES", limit)
        reader = RowStore(folder, size, {})
        before = resident()
        for number in range(64):
            assert reader.read(np.array([number]))[0, -1] == number
        return resident() - before

    assert growth(2**30) > 32 * size  # it can fail
    assert growth(4 * size) < 16 * size


def test_errors_have_the_words_of_the_system(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(folder)

    def fail(*args: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(module, "_write_all", fail)
    with pytest.raises(StoreError, match="input/output error"), store.building():
        store.append([key(1)], content([1]))
    assert time.time() - (folder / "about.json").stat().st_mtime < 100
