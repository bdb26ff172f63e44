from pathlib import Path

import pytest

from artclf.data.sources.csv import read_csv
from artclf.errors import ArtclfError

HEADER = "path,label,generator,style,split"


def write(folder: Path, *lines: str) -> Path:
    (folder / "pictures").mkdir(exist_ok=True)
    for name in ("a.png", "b.png"):
        (folder / "pictures" / name).write_bytes(b"x")
    file = folder / "table.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_paths_are_relative_to_the_file_and_empty_cells_are_filled(tmp_path: Path) -> None:
    file = write(tmp_path, f"{HEADER},source", "pictures/b.png, AI ,,,,somewhere", "pictures/a.png,human,x,Ukiyo-e,test,")
    manifest = read_csv(file)
    assert manifest.root == tmp_path
    assert manifest.table.to_numpy().tolist() == [
        ["pictures/a.png", "human", "human", "Ukiyo-e", "test"],
        ["pictures/b.png", "ai", "unknown", "unknown", ""],
    ]


def test_paths_may_be_relative_to_another_root(tmp_path: Path) -> None:
    file = write(tmp_path, HEADER, "a.png,ai,,,", "b.png,human,,,")
    assert read_csv(file, tmp_path / "pictures").root == tmp_path / "pictures"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["path,lable,generator,style,split", "pictures/a.png,ai,,,"],
            "has no column label; got path, lable.*did you mean lable",
        ),
        ([HEADER, "pictures/a.png,ai,,,", "pictures/c.png,ai,,,"], "1 of 2 pictures are not there .first: .*c.png"),
        ([HEADER, "pictures/a.png,fake,,,"], "got the label 'fake' .*allowed: ai, human"),
        ([HEADER, "pictures/a.png,ai,,,", "pictures/a.png,ai,,,"], "1 paths stand more than once"),
        ([HEADER], "no pictures found"),
        ([""], "is no CSV table"),
    ],
)
def test_a_mistake_in_the_table_is_one_line(tmp_path: Path, lines: list[str], said: str) -> None:
    with pytest.raises(ArtclfError, match=said) as caught:
        read_csv(write(tmp_path, *lines))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtclfError, match=r"data.csv=.*nope.csv: there is no such file"):
        read_csv(tmp_path / "nope.csv")


def test_a_table_in_another_encoding_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(f"{HEADER}\nM\xfcnch.png,human,,,\n".encode("latin-1"))
    with pytest.raises(ArtclfError, match="is no CSV table in UTF-8"):
        read_csv(file)
