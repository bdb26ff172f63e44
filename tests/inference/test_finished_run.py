import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from artclf.data.manifest import Manifest
from artclf.data.pixels import hash_files
from artclf.data.sources.csv import read_csv
from artclf.data.sources.folder import read_folder
from artclf.errors import ArtclfError
from artclf.inference.finished_run import find_run, own_images, select_images, splits_of

TESTED = {"test": 12, "val": 9, "unseen": 4}


@pytest.fixture
def make_run(pictures: Path, tmp_path: Path) -> Callable[..., Path]:
    """A finished run on the drawn images, nine of whose training images it was validated on; its weights are none."""

    def make(root: Path = pictures, *, hashed: bool = False) -> Path:
        run = tmp_path / "run"
        (run / "checkpoints").mkdir(parents=True)
        (run / "checkpoints" / "best.ckpt").write_bytes(b"weights")
        table = read_folder(root).table.copy()
        table.loc[table.index[table["split"] == "train"][::4], "split"] = "val"
        if hashed:
            table["sha256"] = hash_files([root / path for path in table["path"]])
        (run / "manifest.csv").write_text(Manifest(root, table).to_csv())
        (run / "metrics.json").write_text(json.dumps({"data": {"root": str(root), "source": "folder"}}))
        return run

    return make


def splits(manifest: Manifest) -> dict[str, int]:
    return dict(manifest.table["split"].value_counts())


def test_a_checkpoint_in_its_run_knows_its_images_and_one_elsewhere_does_not(
    make_run: Callable[..., Path], pictures: Path, tmp_path: Path
) -> None:
    run = make_run()
    for given in (run, run / "checkpoints" / "best.ckpt"):
        selection = own_images(find_run(given))
        assert splits(selection.manifest) == TESTED
        assert (selection.own, selection.left_out, selection.notes) == (True, 27, [])
    copied = Path(shutil.copy(run / "checkpoints" / "best.ckpt", tmp_path / "copied.ckpt"))
    with pytest.raises(ArtclfError, match=r"not there \(in no known folder\); type artclf evaluate .*copied\.ckpt DATA"):
        own_images(find_run(copied))
    chosen = select_images(find_run(copied), read_folder(pictures), "art")
    assert chosen.left_out is None
    note = f"what {copied} was trained on is not known: if on images of art, these figures are too good"
    assert chosen.notes == [note]
    (run / "metrics.json").write_text(json.dumps({"data": {"root": "pictures"}}))  # a relative root is not guessed
    assert select_images(find_run(run), read_folder(pictures), "art").left_out is None


def test_own_images_that_are_missing_or_have_changed_are_refused(
    make_run: Callable[..., Path], pictures: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(pictures, tmp_path / "art"))
    finished = find_run(make_run(root, hashed=True))
    changed = next((root / "test" / "human").rglob("*.png"))
    changed.write_bytes(b"another image")
    with pytest.raises(ArtclfError, match=rf"1 of its 25 images are missing or have changed .*\(first: {changed}"):
        own_images(finished)
    shutil.rmtree(root / "train")  # what it learned from is not looked for, but what it was validated on is
    with pytest.raises(ArtclfError, match=r"9 of its 25 images are missing .*; type artclf evaluate"):
        own_images(finished)
    shutil.rmtree(root)
    with pytest.raises(ArtclfError, match=r"not there \(in .*art\); type artclf evaluate .*run DATA"):
        own_images(finished)


def test_a_split_alone_is_the_test(make_run: Callable[..., Path]) -> None:
    finished = find_run(make_run())
    chosen = own_images(finished, "unseen")
    assert splits(chosen.manifest) == {"test": 4}
    assert chosen.notes == ["the split unseen of folder is called test here"]
    assert "it chose weights and thresholds" in own_images(finished, "val").notes[0]
    for name, meant in (("train", ""), ("unsen", "; did you mean unseen")):
        with pytest.raises(ArtclfError, match=rf"--split {name}: allowed .* not trained on: test, val, unseen{meant}"):
            own_images(finished, name)


def test_trained_images_are_left_out_however_their_paths_are_written(
    make_run: Callable[..., Path], pictures: Path, tmp_path: Path
) -> None:
    finished = find_run(make_run())
    whole = select_images(finished, read_folder(pictures), "art")
    assert (splits(whole.manifest), whole.left_out) == (TESTED, 27)
    assert whole.notes == ["27 images of art are left out: the model was trained on them"]
    (tmp_path / "link").symlink_to(pictures)
    table = read_folder(pictures).table.assign(split="")
    links = [tmp_path / f"{number}.png" for number in range(len(table))]
    for link, path in zip(links, table["path"], strict=True):
        link.symlink_to(pictures / path)
    for paths in ("link/" + table["path"], f"{pictures}/train/../" + table["path"], [link.name for link in links]):
        table.assign(path=paths).to_csv(tmp_path / "table.csv", index=False)
        assert splits(select_images(finished, read_csv(tmp_path / "table.csv"), "table").manifest) == TESTED
    with pytest.raises(ArtclfError, match="was trained on each of these 27 images"):
        select_images(finished, Manifest(pictures, finished.images.query("split == 'train'")), "art")


def test_copies_are_recognised_by_their_bytes(make_run: Callable[..., Path], pictures: Path, tmp_path: Path) -> None:
    run = make_run(Path(shutil.copytree(pictures, tmp_path / "root")), hashed=True)
    own = pd.read_csv(run / "manifest.csv").set_index("path")["split"]
    copies = read_folder(pictures)
    assert splits_of(find_run(run), copies)[0].tolist() == own[copies.table["path"]].tolist()


def test_other_images_are_taken_whole(make_run: Callable[..., Path], pictures: Path, tmp_path: Path) -> None:
    finished = find_run(make_run())
    other = shutil.copytree(pictures, tmp_path / "other")
    shutil.copytree(other / "unseen", other / "val")
    chosen = select_images(finished, read_folder(other), "other")
    assert splits(chosen.manifest) == {"train": 36, "test": 12, "unseen": 4, "val of other": 4}  # validated nothing here
    assert (chosen.left_out, chosen.notes, chosen.own) == (0, [], False)
    alone = select_images(finished, read_folder(other), "other", "val")
    assert (splits(alone.manifest), alone.notes) == ({"test": 4}, ["the split val of other is called test here"])
    shutil.rmtree(other / "val")
    shutil.rmtree(other / "test")
    largest = select_images(finished, read_folder(other), "other")
    assert splits(largest.manifest) == {"train": 36, "test": 4}  # the split of a name of its own
    without = select_images(finished, read_folder(other / "train"), "train")
    assert (splits(without.manifest), without.notes) == ({"test": 36}, [])
