import builtins
import errno
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from artclf.cache.folder import kaggle_ai_artbench
from artclf.data.sources.ai_artbench import read_ai_artbench
from artclf.data.sources.artbench_download import fetch_ai_artbench
from artclf.errors import ArtclfError
from tests.kaggle import MEBIBYTE, Kaggle

AGAIN = "artclf data fetch ai_artbench again"
SPACE = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")


def fetched() -> tuple[Path, list[str]]:
    """The folder, and what the user was told."""
    told: list[str] = []
    return fetch_ai_artbench(told.append, pauses=()), told


def refused() -> str:
    with pytest.raises(ArtclfError) as error:
        fetched()
    assert len(str(error.value).splitlines()) == 1
    assert kaggle_ai_artbench() is None
    return str(error.value)


def kept(name: str = "5.archive") -> Path:
    return Path(os.environ["KAGGLEHUB_CACHE"]) / "datasets/ravidussilva/real-ai-art" / name


def test_a_whole_download_is_extracted_and_found_again(kaggle: Kaggle) -> None:
    folder, told = fetched()
    assert len(read_ai_artbench(folder).table) == 60
    assert folder == kaggle_ai_artbench() == kept("versions/5")
    assert not told
    assert not kept().exists()
    asked = {"ownerSlug": "ravidussilva", "datasetSlug": "real-ai-art", "datasetVersionNumber": 5}
    assert [asked.items() <= question.items() for question in kaggle.questions] == [True, True]


def test_what_is_there_is_not_asked_for_again(kaggle: Kaggle) -> None:
    folder, _ = fetched()
    kaggle.questions.clear()
    assert fetched() == (folder, [])
    assert not kaggle.questions


def test_our_cache_is_kagglehubs(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from kagglehub.cache import Cache
    from kagglehub.handle import parse_dataset_handle

    fetched()
    assert str(kaggle_ai_artbench()) == Cache().load_from_cache(parse_dataset_handle("ravidussilva/real-ai-art/versions/5"))


def test_a_broken_download_goes_on_by_itself(kaggle: Kaggle) -> None:
    kaggle.breaks = {2: 2 * MEBIBYTE + 5, 3: 3 * MEBIBYTE + 5}  # 1: the question for the size
    folder, told = fetched()
    total = len(kaggle.content)
    assert kaggle.ranges == [(f"bytes={n * MEBIBYTE}-", total - n * MEBIBYTE) for n in (2, 3)]
    assert len(told) == 2
    assert told[0] == "the connection broke off after 2.1 MB (the other side closed it); going on"
    assert len(read_ai_artbench(folder).table) == 60


def test_a_broken_download_goes_on_with_the_next_command(kaggle: Kaggle) -> None:
    kaggle.breaks, kaggle.status = {2: 3 * MEBIBYTE + 5}, {3: 503}
    said = refused()
    assert "HTTP 503" in said
    assert AGAIN in said
    assert "it goes on from there" in said
    assert kept().stat().st_size == 3 * MEBIBYTE
    folder, told = fetched()
    assert kaggle.ranges == [(f"bytes={3 * MEBIBYTE}-", len(kaggle.content) - 3 * MEBIBYTE)]
    assert not told
    assert len(read_ai_artbench(folder).table) == 60


def test_a_broken_download_waits_for_the_network(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("artclf.data.sources.artbench_download.time.sleep", slept.append)
    short, long = 2 * MEBIBYTE + 5, 3 * MEBIBYTE + 5
    kaggle.breaks = {2: short, 3: short, 4: short, 5: long, 6: long, 7: long}  # 3, 4, 6 and 7 bring nothing further
    told: list[str] = []
    fetch_ai_artbench(told.append, pauses=(7.0, 8.0))
    assert slept == [0.0, 7.0, 8.0, 0.0, 7.0, 8.0]
    assert [line.rpartition("; ")[2] for line in told] == ["going on", "going on in 7 s", "going on in 8 s"] * 2


def test_what_breaks_before_the_first_byte_is_not_tried_again(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "artclf.data.sources.artbench_download.time.sleep", lambda _: pytest.fail("waits where nothing has begun")
    )
    kaggle.breaks = {2: 10}
    with pytest.raises(ArtclfError, match=r"can't be reached \(the other side closed it\).*again$"):
        fetch_ai_artbench(lambda _: None, pauses=(7.0,))


def test_a_network_that_stays_away_ends_it_and_keeps_what_came(kaggle: Kaggle) -> None:
    kaggle.breaks = {2: 2 * MEBIBYTE + 5, 3: 2 * MEBIBYTE + 5}
    said = refused()
    assert "Kaggle can't be reached" in said
    assert "2.1 MB are kept, and it goes on from there" in said


def test_a_wrong_checksum_is_told_and_removed(kaggle: Kaggle) -> None:
    right, kaggle.md5 = kaggle.md5, "AAAAAAAAAAAAAAAAAAAAAA=="
    said = refused()
    assert "another MD5" in said
    assert AGAIN in said
    assert not kept().exists()
    kaggle.md5 = right
    assert fetched()[0].is_dir()


def test_an_archive_that_cant_be_extracted_is_removed(kaggle: Kaggle) -> None:
    kept().parent.mkdir(parents=True)
    kept().write_bytes(b"x" * len(kaggle.content))  # kagglehub looks at the size alone where it is the whole one
    assert "can't be extracted (Unsupported archive type.) and was removed" in refused()
    assert fetched()[0].is_dir()


def test_an_empty_data_set_is_not_taken_for_one(kaggle: Kaggle) -> None:
    kept().parent.mkdir(parents=True)
    kept().write_bytes(bytes(len(kaggle.content)))  # a file of zeros, as a crash may leave it, is an empty tar archive
    for _ in range(2):
        with pytest.raises(ArtclfError, match="holds no AI-ArtBench; remove that folder and type artclf data fetch"):
            fetched()


def test_a_flipped_bit_in_an_archive_of_the_right_size_is_noticed(kaggle: Kaggle) -> None:
    damaged = bytearray(kaggle.content)
    damaged[MEBIBYTE] ^= 1
    kept().parent.mkdir(parents=True)
    kept().write_bytes(damaged)
    assert "Bad CRC-32" in refused()
    assert not kept().exists()


def test_too_little_space_is_told_before_anything_is_made(kaggle: Kaggle) -> None:
    kaggle.length = 10**16
    said = refused()
    assert "too little space: 10.0 PB to download and about 11.0 PB to extract" in said
    assert "KAGGLEHUB_CACHE" in said
    assert not kept().parent.exists()
    assert len(kaggle.questions) == 1


@pytest.mark.parametrize(("archived", "extracted", "enough"), [(0, 0, False), (3, 0, False), (3, 2, True), (4, 1, True)])
def test_less_space_is_needed_where_a_part_is_there(
    kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch, archived: int, extracted: int, enough: bool
) -> None:
    total = len(kaggle.content)
    for path, quarters in ((kept(), archived), (kept("versions/5/Real_AI_SD_LD_Dataset/half.png"), extracted)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(kaggle.content[: total * quarters // 4])
    usage = type("Usage", (), {"free": int(total * 0.9)})  # of 2.1
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    if enough:
        fetched()
    else:
        assert "too little space" in refused()


@SPACE
def test_a_disk_that_fills_during_the_download(kaggle: Kaggle) -> None:
    kept().parent.mkdir(parents=True)
    kept().symlink_to("/dev/full")
    said = refused()
    assert "the disk is full" in said
    assert AGAIN in said


@SPACE
def test_a_disk_that_fills_during_the_extraction(kaggle: Kaggle) -> None:
    last = kept("versions/5/Real_AI_SD_LD_Dataset/test/AI_SD_ukiyo-e/0.png")
    last.parent.mkdir(parents=True)
    last.symlink_to("/dev/full")
    assert "the disk is full; 4.6 MB of the archive are kept" in refused()
    assert kept("versions/5/Real_AI_SD_LD_Dataset/train/baroque/0.png").exists()  # half-extracted, and no data set
    last.unlink()
    folder, _ = fetched()
    assert len(read_ai_artbench(folder).table) == 60
    assert not kaggle.ranges  # nothing was downloaded again


def test_a_folder_that_cant_be_written_is_named(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "file"))
    said = refused()
    assert f"{tmp_path / 'file'}" in said
    assert os.strerror(errno.ENOTDIR).lower() in said or os.strerror(errno.EEXIST).lower() in said


def test_no_network_is_told_at_once(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    from kagglesdk import kaggle_env

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, nobody)
    with pytest.raises(ArtclfError, match=r"Kaggle can't be reached \(connection refused\): .*HTTPS_PROXY.*again$"):
        fetch_ai_artbench(lambda _: None)


def test_a_service_that_falls_silent_is_told(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    import kagglehub.clients

    kept().parent.mkdir(parents=True)
    kept().write_bytes(kaggle.content[:MEBIBYTE])
    kaggle.silent = 2
    with monkeypatch.context() as patch:
        patch.setattr(kagglehub.clients, "DEFAULT_READ_TIMEOUT", 0.2)
        assert "can't be reached (no answer in time)" in refused()
    assert kept().stat().st_size == MEBIBYTE
    kaggle.silent = 0
    assert fetched()[0].is_dir()


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "credentials"), (403, "credentials"), (404, "no version 5"), (429, "asks to wait"), (500, "can't serve")],
)
def test_a_refusal_is_told_with_what_to_do(kaggle: Kaggle, status: int, said: str) -> None:
    kaggle.status = {1: status}
    line = refused()
    assert said in line
    assert f"HTTP {status}" in line


def test_broken_credentials_are_told(kaggle: Kaggle) -> None:
    file = Path(os.environ["KAGGLE_CONFIG_DIR"]) / "kaggle.json"
    file.parent.mkdir()
    file.write_text("{")
    assert f"Invalid Kaggle credentials file at {file}" in refused()


def test_broken_credentials_leave_the_part_that_is_there(kaggle: Kaggle) -> None:
    kept().parent.mkdir(parents=True)
    kept().write_bytes(b"x" * MEBIBYTE)
    test_broken_credentials_are_told(kaggle)
    assert kept().stat().st_size == MEBIBYTE


def test_without_kagglehub_the_extra_is_named(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("kagglehub"):
            raise ModuleNotFoundError(name=name)
        return real(name, *args)

    monkeypatch.delitem(sys.modules, "kagglehub", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    assert 'pip install -e ".[kaggle]"' in refused()
