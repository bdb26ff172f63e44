import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from artclf.cache.folder import kaggle_ai_artbench
from artclf.data.sources import artbench_download
from artclf.data.sources.ai_artbench import read_ai_artbench
from artclf.data.sources.artbench_download import FOLDER, VERSION_5, fetch_ai_artbench, verify_ai_artbench
from artclf.errors import ArtclfError
from tests.conftest import draw
from tests.services import Kaggle

# -- the download; tests/cli/test_data.py has the command


def kept(name: str) -> Path:
    return Path(os.environ["KAGGLEHUB_CACHE"]) / "datasets/ravidussilva/real-ai-art" / name


def test_a_download_is_extracted_and_found_again(kaggle: Kaggle) -> None:
    folder = fetch_ai_artbench()
    assert len(read_ai_artbench(folder).table) == 60
    assert folder == kaggle_ai_artbench() == kept("versions/5")
    asked = {"ownerSlug": "ravidussilva", "datasetSlug": "real-ai-art", "datasetVersionNumber": 5}
    assert [asked.items() <= question.items() for question in kaggle.questions] == [True]
    assert fetch_ai_artbench() == folder
    assert len(kaggle.questions) == 1  # what is there is not asked for again


def no_network(kaggle: Kaggle) -> None:
    from kagglesdk import kaggle_env

    kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.PROD] = "http://127.0.0.1:9"  # the fixture puts it back


def refused(kaggle: Kaggle) -> None:
    kaggle.status = 403


def no_archive(kaggle: Kaggle) -> None:
    kaggle.content = bytes(range(256))


@pytest.mark.parametrize(
    ("fault", "reason"), [(no_network, "[Cc]onnection refused"), (refused, "403"), (no_archive, "Unsupported archive type")]
)
def test_a_failed_download_is_one_line_that_says_what_to_type(kaggle: Kaggle, fault, reason: str) -> None:
    fault(kaggle)
    with pytest.raises(
        ArtclfError, match=rf"^the download failed: .*{reason}.*; type artclf data fetch ai_artbench again: "
    ) as error:
        fetch_ai_artbench()
    assert "\n" not in str(error.value)
    assert kaggle_ai_artbench() is None


@pytest.mark.parametrize(("archived", "extracted", "enough"), [(3, 0, False), (3, 2, True)])
def test_space_is_required_for_what_is_not_there_yet(
    kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch, archived: int, extracted: int, enough: bool
) -> None:
    total = len(kaggle.content)
    for path, quarters in ((kept("5.archive"), archived), (kept("versions/5/Real_AI_SD_LD_Dataset/half.png"), extracted)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(kaggle.content[: total * quarters // 4])
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": int(total * 0.9)}))  # of 2.1
    if enough:
        fetch_ai_artbench()
    else:
        with pytest.raises(ArtclfError, match="too little space"):
            fetch_ai_artbench()
        assert not kaggle.questions


def test_a_download_that_holds_something_else_is_named(kaggle: Kaggle) -> None:
    kept("versions/5/other").mkdir(parents=True)
    kept("5.complete").touch()
    with pytest.raises(ArtclfError, match="holds no AI-ArtBench; remove that folder and type artclf data fetch"):
        fetch_ai_artbench()


def test_without_kagglehub_the_extra_is_named(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(ArtclfError, match=r'pip install -e "\.\[kaggle\]"'):
        fetch_ai_artbench()


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
    done = verify_ai_artbench(bench)
    assert not done.is_version_5
    assert done.folders["problem"][lambda problem: problem != ""].to_dict() == {
        "test": "not in version 5",
        "test/AI_LD_ukiyo-e": "missing",
        "test/AI_LD_ukiyo_e": "not in version 5; did you mean test/AI_LD_ukiyo-e?",
        "test/realism": "+1",
        "train/realism": "-1",
    }
    assert sorted(done.unreadable["path"]) == ["train/baroque/0.png"]
    assert verify_ai_artbench(bench, decode=False).unreadable.empty
