import numpy as np
import pandas as pd
import pytest

from artclf.data.splits import Duplicates, assign_splits, drop_copies
from artclf.errors import ArtclfError


def table(n: int = 200, split: str = "") -> tuple[pd.DataFrame, pd.Series]:
    """Half AI of two generators, half human, five styles; every file its own bytes."""
    rows = [
        {
            "path": f"{i:03}",
            "label": "ai" if i % 2 else "human",
            "generator": ("human", "one", "human", "two")[i % 4],
            "style": str(i % 5),
            "split": split,
        }
        for i in range(n)
    ]
    return pd.DataFrame(rows), pd.Series([f"hash{i}" for i in range(n)])


def cut(frame: pd.DataFrame, hashes: pd.Series, seed: int = 0) -> tuple[pd.DataFrame, Duplicates]:
    return assign_splits(frame, hashes, val_fraction=0.1, test_fraction=0.2, seed=seed)


def test_missing_splits_are_cut_in_proportion_by_generator_and_style() -> None:
    frame, duplicates = cut(*table())
    assert frame["split"].value_counts().to_dict() == {"train": 144, "test": 40, "val": 16}
    test = frame[frame["split"] == "test"]
    assert test.groupby(["generator", "style"]).size().to_dict() == {
        (generator, str(style)): 4 if generator == "human" else 2 for generator in ("human", "one", "two") for style in range(5)
    }
    val = frame[frame["split"] == "val"]["generator"].value_counts()  # less than one image of each style
    assert val.to_dict() == {"human": 8, "one": 4, "two": 4}
    assert duplicates == Duplicates(0, 0, 0, 0)


def test_val_is_cut_from_every_source_and_generator() -> None:
    """Of both, 6 of 200 images are of the rare source, and their generators are in it alone."""
    frame, hashes = table()
    rare = frame.index >= 194
    frame = frame.assign(source=np.where(rare, "rare", "common"), split=np.where(frame.index < 20, "test", "train"))
    frame.loc[rare & (frame["label"] == "ai"), "generator"] = ["new", "new", "single"]
    val = cut(frame, hashes)[0].query("split == 'val'")
    assert len(val) == 18
    assert val.groupby(["source", "generator"]).size()["rare"].to_dict() == {"human": 1, "new": 1}  # single stays in train


def test_a_cut_depends_on_bytes_and_seed_alone() -> None:
    frame, hashes = table()
    whole, _ = cut(frame, hashes)
    shuffled = np.random.default_rng(1).permutation(len(frame))
    renamed = frame.iloc[shuffled].assign(path=lambda f: "other" + f["path"])  # its index is shuffled too
    again, _ = cut(renamed, hashes)
    assert dict(zip("other" + whole["path"], whole["split"], strict=True)) == again.set_index("path")["split"].to_dict()
    assert cut(frame, hashes, seed=1)[0]["split"].tolist() != whole["split"].tolist()


def test_more_images_leave_a_cut_nearly_as_it_was() -> None:
    frame, hashes = table()
    before = cut(frame[:190], hashes[:190])[0].set_index("path")["split"]
    after = cut(frame, hashes)[0].set_index("path")["split"]
    assert (after[before.index] != before).sum() < 20  # of 190; about 80 where it is cut anew


def test_splits_of_the_source_are_kept() -> None:
    frame, hashes = table()
    frame["split"] = ["test"] * 100 + ["Training"] * 100
    done, _ = cut(frame, hashes)
    assert (done["split"][:100] == "test").all()
    assert done["split"][100:].value_counts().to_dict() == {"train": 90, "val": 10}
    frame["split"] = np.resize(["train", "train", "validation", "test", "unseen"], len(frame))
    done, _ = cut(frame, hashes)
    assert done["split"].tolist() == frame["split"].replace("validation", "val").tolist()


def test_the_same_bytes_never_stand_in_two_splits() -> None:
    frame, hashes = table()
    frame["split"] = ["test"] * 50 + ["train"] * 100 + ["a", "b"] * 25
    hashes[60], hashes[62] = hashes[0], hashes[2]  # train files (human, as 0 and 2) with the bytes of test files
    hashes[101] = hashes[97]  # two AI files of train
    hashes[141] = hashes[140]  # an AI and a human file of train
    hashes[151] = hashes[154] = hashes[121] = "x"  # files of b, a and train: other names win, the first of them keeps it
    frame.loc[[154, 151], "label"] = "ai"
    hashes[4] = hashes[2]  # two human files of test
    hashes[7] = hashes[6]  # an AI and a human file of test
    done, duplicates = cut(frame, hashes)
    assert duplicates == Duplicates(groups=6, files=14, removed=4, contradictory=4, copies=2)
    assert (done["split"] == "test").sum() == 47
    assert {"004", "006", "007", "060", "062", "101", "121", "140", "141", "154"} == set(frame["path"]) - set(done["path"])
    assert done["sha256"].is_unique
    assert str(duplicates).startswith("14 files are copies of 6 images, each of which counts once; left out: 2 in")


def test_copies_count_once_where_a_split_is_cut() -> None:
    frame, _ = table(400)
    hashes = pd.Series([f"hash{i // 4 * 4 + i % 2}" for i in range(400)])  # each image twice, under one label
    done, duplicates = cut(frame, hashes)
    assert duplicates == Duplicates(groups=200, files=400, removed=0, contradictory=0, copies=200)
    assert done["sha256"].is_unique
    assert done["split"].value_counts().to_dict() == {"train": 144, "test": 40, "val": 16}


def test_files_that_cannot_be_read_are_no_copies_of_each_other() -> None:
    frame, hashes = table(8, "test")
    rest, duplicates = drop_copies(frame.assign(sha256=hashes.where(hashes.index > 2, "")))
    assert (len(rest), duplicates) == (8, Duplicates(0, 0, 0, 0))


def test_where_nothing_is_left_the_true_cause_is_named() -> None:
    frame, hashes = table(4)
    with pytest.raises(ArtclfError, match=r"no image is left to be cut for val: the training split has 1 ai and 1 human"):
        cut(frame, hashes)
    with pytest.raises(ArtclfError, match=r"found: no images \(4 files are copies of 2 images.*4 under both"):
        cut(frame, pd.Series(["a", "a", "b", "b"]))


def test_a_training_split_without_images_or_with_one_class_is_refused() -> None:
    with pytest.raises(ArtclfError, match="no training split; found: test"):
        cut(*table(split="test"))
    frame, hashes = table()
    with pytest.raises(ArtclfError, match=r"one class only .human"):
        cut(frame[frame["label"] == "human"], hashes[frame["label"] == "human"])


def test_a_single_image_of_a_class_stays_in_train() -> None:
    frame, hashes = table(20)
    one_human = frame["label"].eq("ai") | frame["path"].eq("000")
    done, _ = cut(frame[one_human], hashes[one_human])
    assert done.set_index("path").loc["000", "split"] == "train"
