import builtins
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from artclf.cache.folder import kaggle_ai_artbench
from artclf.data.sources import artbench_download
from artclf.data.sources.ai_artbench import read_ai_artbench
from artclf.data.sources.artbench_download import FOLDER, VERSION_5, fetch_ai_artbench, verify_ai_artbench
from artclf.errors import ArtclfError
from tests.conftest import draw
from tests.kaggle import MEBIBYTE, Kaggle

# -- the download


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artbench_download, "PAUSE", 0.0)


def fetched() -> tuple[Path, list[str]]:
    """The folder, and the lines that were printed."""
    lines: list[str] = []
    return fetch_ai_artbench(lines.append), lines


def refused() -> str:
    with pytest.raises(ArtclfError) as error:
        fetched()
    assert len(str(error.value).splitlines()) == 1
    assert kaggle_ai_artbench() is None
    return str(error.value)


def kept(name: str = "5.archive") -> Path:
    return Path(os.environ["KAGGLEHUB_CACHE"]) / "datasets/ravidussilva/real-ai-art" / name


def keep(content: bytes) -> None:
    kept().parent.mkdir(parents=True)
    kept().write_bytes(content)


def test_a_download_is_extracted_and_found_again(kaggle: Kaggle) -> None:
    from kagglehub.cache import Cache
    from kagglehub.handle import parse_dataset_handle

    folder, lines = fetched()
    assert len(read_ai_artbench(folder).table) == 60
    assert folder == kaggle_ai_artbench() == kept("versions/5")
    assert str(folder) == Cache().load_from_cache(parse_dataset_handle("ravidussilva/real-ai-art/versions/5"))
    assert not lines
    asked = {"ownerSlug": "ravidussilva", "datasetSlug": "real-ai-art", "datasetVersionNumber": 5}
    assert [asked.items() <= question.items() for question in kaggle.questions] == [True]
    assert fetched() == (folder, [])
    assert len(kaggle.questions) == 1  # what is there is not asked for again


def test_a_broken_download_continues_while_it_brings_something_and_with_the_next_command(kaggle: Kaggle) -> None:
    kaggle.breaks = {1: 2 * MEBIBYTE + 5, 2: 3 * MEBIBYTE + 5, 3: 3 * MEBIBYTE + 5}
    lines: list[str] = []
    with pytest.raises(ArtclfError, match="Kaggle can't be reached"):
        fetch_ai_artbench(lines.append)
    assert [line.split(" (")[0] for line in lines] == [f"the connection broke off after {size} MB" for size in (2.1, 3.1)]
    assert len(read_ai_artbench(fetched()[0]).table) == 60
    assert [asked for asked, _ in kaggle.ranges] == [f"bytes={n * MEBIBYTE}-" for n in (2, 3, 3)]


def test_no_network_is_reported_at_once(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    from kagglesdk import kaggle_env

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, nobody)
    line = refused()
    assert line.startswith("Kaggle can't be reached (connection refused): ")
    assert "HTTPS_PROXY" in line


@pytest.mark.parametrize("damage", ["checksum", "other file", "bit"])
def test_a_damaged_archive_is_removed(kaggle: Kaggle, damage: str) -> None:
    md5, content = kaggle.md5, bytearray(kaggle.content)  # kagglehub looks at the size alone where it is the whole one
    content[MEBIBYTE] ^= 1
    if damage == "checksum":
        kaggle.md5 = "AAAAAAAAAAAAAAAAAAAAAA=="
    else:
        keep(b"x" * len(content) if damage == "other file" else bytes(content))
    line = refused()
    assert "the archive is damaged" in line
    assert "artclf data fetch ai_artbench again" in line
    assert not kept().exists()
    kaggle.md5 = md5
    assert fetched()[0].is_dir()


def test_an_empty_archive_is_no_data_set(kaggle: Kaggle) -> None:
    keep(bytes(len(kaggle.content)))  # a file of zeros, as a crash may leave it, is an empty tar archive
    with pytest.raises(ArtclfError, match="holds no AI-ArtBench; remove that folder and type artclf data fetch"):
        fetched()


@pytest.mark.parametrize(("archived", "extracted", "enough"), [(0, 0, False), (3, 0, False), (3, 2, True), (4, 1, True)])
def test_space_is_required_for_what_is_not_there_yet(
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
        assert not kaggle.questions


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_fills_up(kaggle: Kaggle) -> None:
    last = kept("versions/5/Real_AI_SD_LD_Dataset/test/AI_SD_ukiyo-e/0.png")
    last.parent.mkdir(parents=True)
    last.symlink_to("/dev/full")
    assert "no space left on device; make room and type artclf data fetch" in refused()
    last.unlink()
    assert len(read_ai_artbench(fetched()[0]).table) == 60
    assert not kaggle.ranges  # nothing was downloaded again


@pytest.mark.parametrize(("status", "expected"), [(403, "credentials"), (404, "no version 5"), (500, "can't serve")])
def test_a_refusal_is_reported_with_what_to_do(kaggle: Kaggle, status: int, expected: str) -> None:
    kaggle.status = {1: status}
    line = refused()
    assert expected in line
    assert f"HTTP {status}" in line


def test_broken_credentials_are_reported_and_leave_what_is_there(kaggle: Kaggle) -> None:
    keep(b"x" * MEBIBYTE)
    file = Path(os.environ["KAGGLE_CONFIG_DIR"]) / "kaggle.json"
    file.parent.mkdir()
    file.write_text("{")
    assert f"Invalid Kaggle credentials file at {file}" in refused()
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


# -- the verification


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An AI-ArtBench whose version 5 has two images a folder."""
    monkeypatch.setattr(artbench_download, "VERSION_5", dict.fromkeys(VERSION_5, 2))
    for folder in VERSION_5:
        for number in range(2):
            draw(tmp_path / FOLDER / folder / f"{number}.png", "ai", number, size=(8, 8))
    return tmp_path / FOLDER


def test_the_counts_are_those_of_version_5() -> None:
    ai = [sum(n for folder, n in VERSION_5.items() if f"train/AI_{tag}_" in folder) for tag in ("LD", "SD")]
    assert ai == [52_092, 52_923]
    assert (len(VERSION_5), sum(VERSION_5.values())) == (60, 185_015)
    assert [folder for folder in VERSION_5 if "test" in folder and "ukiyo" in folder] == [
        "test/ukiyo_e",
        "test/AI_LD_ukiyo-e",
        "test/AI_SD_ukiyo-e",
    ]


def test_a_folder_is_compared_with_version_5(bench: Path) -> None:
    (bench / "train/realism/.DS_Store").write_bytes(b"")
    done = verify_ai_artbench(bench.parent)
    assert (done.is_version_5, done.decoded, len(done.folders)) == (True, True, 60)
    (bench / "test/AI_LD_ukiyo-e").rename(bench / "test/AI_LD_ukiyo_e")
    (bench / "train/realism/0.png").unlink()
    draw(bench / "test/realism/more.png", "human", 1)
    (bench / "test/cover.png").write_bytes(b"")
    Image.effect_noise((200, 200), 50).save(bench / "train/baroque/0.png")
    (bench / "train/baroque/0.png").write_bytes((bench / "train/baroque/0.png").read_bytes()[:3000])
    (bench / "train/baroque/1.png").write_text("an error page")
    done = verify_ai_artbench(bench)
    assert not done.is_version_5
    assert done.folders["problem"][lambda problem: problem != ""].to_dict() == {
        "test": "not in version 5",
        "test/AI_LD_ukiyo-e": "missing",
        "test/AI_LD_ukiyo_e": "not in version 5; did you mean test/AI_LD_ukiyo-e?",
        "test/realism": "+1",
        "train/realism": "-1",
    }
    assert sorted(done.unreadable["path"]) == ["train/baroque/0.png", "train/baroque/1.png"]
    assert verify_ai_artbench(bench, decode=False).unreadable.empty


def test_another_folder_is_no_ai_artbench(tmp_path: Path) -> None:
    (tmp_path / "file.png").write_bytes(b"")
    for path, reason in (("nowhere", "does not exist"), ("file.png", "is a file, not a folder"), ("", "no AI-ArtBench here")):
        with pytest.raises(ArtclfError, match=reason):
            verify_ai_artbench(tmp_path / path)
