import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from artclf.errors import ArtclfError
from artclf.run_folder import (
    ERROR_FILE,
    holds_run,
    outcome_of,
    read_metrics,
    read_table,
    read_yaml,
    replacing,
    run_lock,
    runs_of,
    write_json,
    write_table,
    write_text,
)


def test_an_unfinished_run_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ArtclfError, match=f"^{tmp_path}: no metrics.json in this folder"):
        read_metrics(tmp_path)


def test_names_stay_text_and_empty_numbers_are_nan(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    for content in ("", "\n"):
        path.write_text(content)
        assert read_table(path, text=("generator",)) is None
    path.write_text("generator,p_ai\nNA,0.5\nnull,\n007,1e-3\n")
    table = read_table(path, text=("generator",), numbers=("p_ai",))
    expected = pd.DataFrame({"generator": ["NA", "null", "007"], "p_ai": [0.5, None, 0.001]})
    pd.testing.assert_frame_equal(table, expected)


@pytest.mark.parametrize(
    ("content", "message"), [("path\na\n", "no column p_ai; got path"), ("path,p_ai\na,high\n", "column p_ai")]
)
def test_another_table_is_refused(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text(content)
    with pytest.raises(ArtclfError, match=message):
        read_table(path, text=("path",), numbers=("p_ai",))


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ((), "unfinished"),
        (("config.yaml", "progress.json"), "unfinished"),
        (("config.yaml", "metrics.json"), "finished"),
        (("config.yaml", "metrics.json", "progress.json"), "unfinished"),  # killed before its report
        (("config.yaml", "pruned.json"), "pruned"),
        (("config.yaml", "pruned.json", ERROR_FILE), "failed"),
    ],
)
def test_the_outcome_of_a_run_is_read_from_its_files(tmp_path: Path, files: tuple[str, ...], state: str) -> None:
    for file in files:
        (tmp_path / file).write_text('{"reason": "no GPU", "value": 0.5, "seconds": 1.0}')
    assert outcome_of(tmp_path).state == state


def test_runs_come_by_number_and_failures_with_their_reasons(tmp_path: Path) -> None:
    files = {"10": "metrics.json", "2": "metrics.json", "3": ERROR_FILE, "4": "config.yaml", ".submitit": "log"}
    for name, file in files.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("no GPU\n")
    finished, others = runs_of(tmp_path)
    assert [run.name for run in finished] == ["2", "10"]
    assert others == {"3": "no GPU", "4": f"it has not finished; resume={tmp_path / '4'} continues it"}


def test_two_processes_can_not_use_one_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    run = tmp_path / "run"
    with run_lock(run), pytest.raises(ArtclfError, match="another process is using"), run_lock(run):
        pytest.fail("two at once")
    with run_lock(run) as fallbacks:
        assert fallbacks == []
    assert not list(run.iterdir())
    monkeypatch.setattr("filelock.FileLock.acquire", refused)
    with run_lock(run) as fallbacks:
        assert [line.split(": ")[1] for line in fallbacks] == ["this file system has no locks"]


@pytest.mark.parametrize(
    ("write", "content", "text"),
    [
        (write_text, "zwei ✓", "zwei ✓"),
        (write_json, {"zwei": 0.5}, '{\n  "zwei": 0.5\n}\n'),
        (write_table, pd.DataFrame({"zwei": [0.123456789]}), "zwei\n0.123456789\n"),
    ],
)
def test_an_older_file_is_replaced(write: Callable[[Path, Any], None], content: object, text: str, tmp_path: Path) -> None:
    file, linked = tmp_path / "a.json", tmp_path / "linked"
    file.write_text("one")
    linked.hardlink_to(file)
    write(file, content)
    assert file.read_text(encoding="utf-8") == text
    assert linked.read_text() == "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "linked"]


BOMB = b"a: &a [1, 1]\nb: [*a, *a]\n"


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\0\0", b"\xff\xfe", b"[]", b"3", b"a: {", b"[" * 9999, b"{" * 9999, BOMB, None]
)
@pytest.mark.parametrize("read", [read_metrics, lambda run: read_yaml(run / "metrics.json", "run again")])
def test_a_damaged_file_is_one_line(read: Callable[[Path], object], content: bytes | None, tmp_path: Path) -> None:
    if content is None:
        (tmp_path / "metrics.json").mkdir()
    else:
        (tmp_path / "metrics.json").write_bytes(content)
    with pytest.raises(ArtclfError, match=r"metrics\.json: ") as error:
        read(tmp_path)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("content", ['{"splits": []}', '{"splits": {"test": 3}}', '{"data": {}, "model": null}'])
def test_other_types_in_metrics_are_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(ArtclfError, match=r"is not what artclf writes \((splits|data|model).*: got .*run the training again"):
        read_metrics(tmp_path)


def test_an_error_of_the_disk_names_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with replacing(tmp_path / "a.json") as new:
            new.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"a\.json'$"):
        write()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("files", "kept"),
    [
        ((), False),
        (("config.yaml", "progress.json"), False),  # ended before it trained, for a mistyped data.root
        (("config.yaml", "progress.json", "metrics.csv"), True),
        (("config.yaml", "progress.json", "checkpoints/last.ckpt"), True),
        (("config.yaml", "metrics.json"), True),
        (("config.yaml",), True),  # of another program
    ],
)
def test_only_the_folder_of_a_run_that_never_trained_is_taken_by_another(
    tmp_path: Path, files: tuple[str, ...], kept: bool
) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    assert holds_run(tmp_path) == kept
