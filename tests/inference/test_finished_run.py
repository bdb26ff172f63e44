import hashlib
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


@pytest.fixture
def make_run(pictures: Path, tmp_path: Path) -> Callable[..., Path]:
    """A finished run on the drawn pictures, ten of whose training pictures it was validated on; its weights are none."""

    def make(root: Path = pictures) -> Path:
        run = tmp_path / "run"
        (run / "checkpoints").mkdir(parents=True)
        (run / "checkpoints" / "best.ckpt").write_bytes(b"weights")
        manifest = read_folder(root)
        table = manifest.table.copy()
        table.loc[table.index[table["split"] == "train"][::4], "split"] = "val"
        (run / "manifest.csv").write_text(Manifest(root, table).to_csv())
        (run / "metrics.json").write_text(json.dumps({"data": {"root": str(root), "source": "folder"}}))
        return run

    return make


def splits(manifest: Manifest) -> dict[str, int]:
    return dict(manifest.table["split"].value_counts())


def test_a_checkpoint_in_its_run_knows_its_pictures(make_run: Callable[..., Path], tmp_path: Path) -> None:
    run = make_run()
    for given in (run, run / "checkpoints" / "best.ckpt"):
        finished = find_run(given)
        assert finished.folder == run
        assert finished.sha256 == hashlib.sha256(b"weights").hexdigest()
        assert splits(own_images(finished).manifest) == {"test": 12, "val": 9, "unseen": 4}
        assert own_images(finished).left_out == 27
    alone = shutil.copy(run / "checkpoints" / "best.ckpt", tmp_path / "alone.ckpt")
    finished = find_run(Path(alone))
    assert (finished.folder, finished.metrics) == (None, {})
    with pytest.raises(ArtclfError, match=r"lies in no finished run .* type artclf evaluate .*alone\.ckpt DATA"):
        own_images(finished)


def test_pictures_that_have_moved_are_said_to_have(make_run: Callable[..., Path], pictures: Path, tmp_path: Path) -> None:
    root = shutil.copytree(pictures, tmp_path / "art")
    finished = find_run(make_run(root))
    gone = next((root / "test" / "human").rglob("*.png"))
    shutil.rmtree(root / "train")  # what it learned from is not looked for, but what it was validated on is
    gone.unlink()
    with pytest.raises(ArtclfError, match=r"10 of its 25 images are not where they were \(first: .*; type artclf evaluate"):
        own_images(finished)
    shutil.rmtree(root)
    with pytest.raises(ArtclfError, match=r"were in .*art, which is not there; type artclf evaluate .*run DATA"):
        own_images(finished)


def test_a_split_alone_is_the_test(make_run: Callable[..., Path]) -> None:
    finished = find_run(make_run())
    chosen = own_images(finished, "unseen")
    assert splits(chosen.manifest) == {"test": 4}
    assert chosen.notes == ["the split unseen of folder is called test here"]
    assert "it chose the weights and the thresholds" in own_images(finished, "val").notes[0]
    with pytest.raises(ArtclfError, match="--split train: the model was trained on these images; allowed: test, val, unseen"):
        own_images(finished, "train")
    with pytest.raises(ArtclfError, match=r"--split unsen: folder has no such split; it has .*; did you mean unseen"):
        own_images(finished, "unsen")


def test_what_it_was_trained_on_is_left_out_however_it_is_given(
    make_run: Callable[..., Path], pictures: Path, tmp_path: Path
) -> None:
    finished = find_run(make_run())
    whole = select_images(finished, read_folder(pictures), "art")
    assert splits(whole.manifest) == {"test": 12, "val": 9, "unseen": 4}
    assert whole.left_out == 27
    assert whole.notes == ["27 images of art are left out: the model was trained on them"]
    (tmp_path / "link").symlink_to(pictures)
    table = read_folder(pictures).table.assign(split="")
    links = [tmp_path / f"{number}.png" for number in range(len(table))]
    for link, path in zip(links, table["path"], strict=True):
        link.symlink_to(pictures / path)
    elsewhere = ["link/" + table["path"], str(pictures / "train" / "..") + "/" + table["path"], [link.name for link in links]]
    for paths in elsewhere:
        table.assign(path=paths).to_csv(tmp_path / "table.csv", index=False)
        listed = select_images(finished, read_csv(tmp_path / "table.csv"), "table")
        assert splits(listed.manifest) == {"test": 12, "val": 9, "unseen": 4}
    learned = finished.manifest().query("split == 'train'")
    with pytest.raises(ArtclfError, match="was trained on each of these 27 images"):
        select_images(finished, Manifest(pictures, learned), "art")


def test_the_own_split_of_each_picture_is_known_by_its_place(
    make_run: Callable[..., Path], pictures: Path, tmp_path: Path
) -> None:
    finished = find_run(make_run())
    manifest = read_folder(pictures)
    own = finished.manifest().set_index("path")["split"]
    assert splits_of(finished, manifest).tolist() == own[manifest.table["path"]].tolist()
    other = read_folder(shutil.copytree(pictures, tmp_path / "other"))
    assert set(splits_of(finished, other)) == {""}


def test_a_copy_is_known_by_its_bytes_and_a_file_that_has_changed_is_refused(
    make_run: Callable[..., Path], pictures: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(pictures, tmp_path / "root"))
    run = make_run(root)
    own = Manifest(root, pd.read_csv(run / "manifest.csv", keep_default_na=False))
    hashed = own.table.assign(sha256=hash_files([root / path for path in own.table["path"]]))
    (run / "manifest.csv").write_text(Manifest(root, hashed).to_csv())
    finished = find_run(run)
    for found in (read_folder(pictures), read_folder(root)):
        assert splits_of(finished, found).tolist() == own.table.set_index("path")["split"][found.table["path"]].tolist()
    assert own_images(finished).left_out == 27
    next((root / "test" / "human").rglob("*.png")).write_bytes(b"another picture")
    with pytest.raises(
        ArtclfError, match=r"1 of its 25 images have changed since the run was tested on them \(first: .*/test/human"
    ):
        own_images(finished)


def test_a_root_that_was_typed_relative_is_not_guessed(make_run: Callable[..., Path], pictures: Path) -> None:
    run = make_run()
    (run / "metrics.json").write_text(json.dumps({"data": {"root": "pictures"}}))  # as an early version wrote it
    chosen = select_images(find_run(run), read_folder(pictures), "art")
    assert chosen.left_out is None
    assert "was trained on is not known" in chosen.notes[0]


def test_other_pictures_are_taken_whole(make_run: Callable[..., Path], pictures: Path, tmp_path: Path) -> None:
    finished = find_run(make_run())
    other = shutil.copytree(pictures, tmp_path / "other")
    chosen = select_images(finished, read_folder(other), "other")
    assert splits(chosen.manifest) == {"train": 36, "test": 12, "unseen": 4}
    assert (chosen.left_out, chosen.notes, chosen.own) == (0, [], False)
    shutil.rmtree(other / "test")
    largest = select_images(finished, read_folder(other), "other")
    assert splits(largest.manifest) == {"train": 36, "test": 4}  # the split of a name of its own
    assert largest.notes == ["the split unseen of other is called test here"]
    without = select_images(finished, read_folder(other / "train"), "train")
    assert splits(without.manifest) == {"test": 36}
    assert without.notes == []


def test_a_checkpoint_of_unknown_origin_says_that_it_may_have_seen_them(
    make_run: Callable[..., Path], pictures: Path, tmp_path: Path
) -> None:
    alone = Path(shutil.copy(make_run() / "checkpoints" / "best.ckpt", tmp_path / "alone.ckpt"))
    chosen = select_images(find_run(alone), read_folder(pictures), "art")
    assert chosen.left_out is None
    assert chosen.notes == [f"what {alone} was trained on is not known: where it was on images of art, the figures flatter it"]
