import os
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from artclf.errors import ArtclfError
from artclf.inference import uploads
from artclf.inference.uploads import Limits, take_in

Members = dict[str | zipfile.ZipInfo, bytes]


@pytest.fixture
def sent(tmp_path: Path) -> Callable[..., Path]:
    """Put a file where uploads come; of a dict, a zip."""

    def send(name: str, content: bytes | Members, **options: int) -> Path:
        file = tmp_path / "uploads" / name
        file.parent.mkdir(exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
            return file
        with zipfile.ZipFile(file, "w", **options) as archive:
            for member, data in content.items():
                archive.writestr(member, data)
        return file

    return send


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "taken").mkdir()
    return tmp_path / "taken"


def test_images_and_zips_are_taken_in(sent: Callable[..., Path], folder: Path) -> None:
    nasty = "art/<img src=x onerror=alert(1)>${1}\x1b[2J.png"
    members = {
        nasty: b"one",
        "b/\\x.JPG": b"two",
        f"{'𠀀' * 90}.png": b"three",
        "__MACOSX/._x.jpg": b"",
        ".DS_Store": b"",
        "captions.txt": b"",
        "empty/": b"",
    }
    files = [sent("plain.png", b"plain"), sent("set.ZIP", members, compression=zipfile.ZIP_DEFLATED)]
    taken = take_in(files, folder, Limits(images=4, megabytes=1))
    assert [one.name for one in taken][:3] == ["plain.png", nasty.replace("\x1b", "\\x1b"), "b/\\x.JPG"]
    assert [one.file.read_bytes() for one in taken] == [b"plain", b"one", b"two", b"three"]
    assert [one.file.parent.parent for one in taken] == [folder] * 4
    assert taken[1].file.name == "_img_src_x_onerror_alert_1_1_2J.png"
    assert not any(file.exists() for file in files)
    assert not any(one.reason for one in taken)


def link() -> zipfile.ZipInfo:
    member = zipfile.ZipInfo("link.png")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize(
    ("members", "options", "reason"),
    [
        ({"../up.png": b""}, {}, "a path that leads out of it"),
        ({"a/..\\..\\up.png": b""}, {}, "a path that leads out of it"),
        ({"/etc/passwd.png": b""}, {}, "a path that leads out of it"),
        ({"C:\\up.png": b""}, {}, "a path that leads out of it"),
        ({link(): b"/etc/passwd"}, {}, "a link (link.png)"),
        ({"more.ZIP": b""}, {}, "another zip"),
        ({"a.png": b"x"}, {"compression": zipfile.ZIP_LZMA}, "another compression"),
        ({"bomb.png": bytes(2 * 10**6)}, {"compression": zipfile.ZIP_DEFLATED}, "1 images, 2.0 MB unpacked; allowed are 3"),
        ({f"{number}.png": b"" for number in range(4)}, {}, "4 images, 0.0 MB unpacked; allowed are 3"),
    ],
)
def test_a_harmful_zip_is_refused_before_it_is_unpacked(
    sent: Callable[..., Path], folder: Path, members: Members, options: dict[str, int], reason: str
) -> None:
    (one,) = take_in([sent("set.zip", members, **options)], folder, Limits(3, 1))
    assert one.name == "set.zip"
    assert one.reason.startswith("refused: it holds ")
    assert reason in one.reason
    assert not any(folder.iterdir())


def test_a_zip_that_lies_about_its_size_gives_no_more(sent: Callable[..., Path], folder: Path) -> None:
    bomb = sent("bomb.zip", {"bomb.png": bytes(5 * 10**6)}, compression=zipfile.ZIP_DEFLATED)
    content = bomb.read_bytes()
    bomb.write_bytes(content.replace(struct.pack("<L", 5 * 10**6), struct.pack("<L", 1_000)))
    (one,) = take_in([bomb], folder, Limits(3, 1))
    assert one.reason == "damaged, incomplete or unsupported zip"
    assert one.file.stat().st_size <= 1_000


def test_a_list_of_files_that_fills_the_memory_is_not_read(
    sent: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_LISTED", 100_000)
    (one,) = take_in([sent("set.zip", {f"{'x' * 1_000}{number}/": b"" for number in range(100)})], folder, Limits())
    assert one.reason == "its list of files is too long"


def test_a_damaged_zip_leaves_the_others(sent: Callable[..., Path], folder: Path) -> None:
    good, bad = sent("good.zip", {"a.png": b"a"}), sent("bad.zip", os.urandom(500))
    assert [one.reason for one in take_in([bad, good], folder, Limits())] == ["damaged, incomplete or unsupported zip", ""]


@pytest.mark.parametrize(("number", "size"), [(4, 1), (2, 600_000)])
def test_too_much_is_refused(sent: Callable[..., Path], folder: Path, number: int, size: int) -> None:
    files = [sent(f"{one}.png", bytes(size)) for one in range(number)]
    with pytest.raises(ArtclfError, match=rf"^{number} files, .* MB; allowed are 3 images and 1 MB at a time$"):
        take_in(files, folder, Limits(3, 1))
    assert not any(folder.iterdir())
