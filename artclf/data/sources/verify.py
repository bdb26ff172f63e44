"""Is this the AI-ArtBench of the seed study? Its folders, their counts, and whether every picture can be read."""

import os
from dataclasses import dataclass
from pathlib import Path

from artclf.data.images import DEFAULT_MAX_PIXELS
from artclf.data.inspection import inspect_files
from artclf.data.sources.ai_artbench import FOLDER, find_base
from artclf.data.sources.walk import NOT_PICTURES
from artclf.errors import ArtclfError, nearest

SPLITS = ("train", "test")
HUMAN_TRAIN, TEST = 5_000, 1_000  # pictures a folder
AI_TRAIN = {  # style: pictures by Latent Diffusion and by Stable Diffusion; version 5 of the data set
    "art_nouveau": (4992, 5384),
    "baroque": (4960, 5052),
    "expressionism": (5116, 5304),
    "impressionism": (5208, 5388),
    "post_impressionism": (4844, 5360),
    "realism": (5232, 5248),
    "renaissance": (5416, 5060),
    "romanticism": (5436, 5455),
    "surrealism": (5384, 5364),
    "ukiyo_e": (5504, 5308),
}


def expected_counts() -> dict[str, dict[str, int]]:
    """Pictures by split and folder in version 5: 30 folders in each split, 185,015 pictures.

    The folders of AI spell `ukiyo-e`, that of human works `ukiyo_e`.
    """
    train: dict[str, int] = dict.fromkeys(AI_TRAIN, HUMAN_TRAIN)
    for column, tag in enumerate(("LD", "SD")):
        for style, counts in AI_TRAIN.items():
            train[f"AI_{tag}_{style.replace('ukiyo_e', 'ukiyo-e')}"] = counts[column]
    return {"train": train, "test": dict.fromkeys(train, TEST)}


@dataclass(frozen=True)
class FolderCount:
    """One of the 60 folders that version 5 has.

    Attributes:
        split: "train" or "test".
        folder: its name.
        expected: pictures in version 5.
        found: pictures here; None where the folder is missing.
    """

    split: str
    folder: str
    expected: int
    found: int | None

    @property
    def difference(self) -> str:
        """What is off: "missing", "+3", "−12"; "" where nothing is."""
        if self.found is None:
            return "missing"
        return "" if self.found == self.expected else f"{self.found - self.expected:+,}".replace("-", "−")


@dataclass(frozen=True)
class Verification:
    """How a folder compares with version 5 of AI-ArtBench.

    Attributes:
        base: the folder that holds train/ and test/.
        counts: the 60 folders of version 5.
        unknown: what stands beside them, relative to `base`: a reason each.
        unreadable: pictures that can't be decoded, relative to `base`: a reason each.
        decoded: whether every picture was decoded; else `unreadable` says nothing.
    """

    base: Path
    counts: list[FolderCount]
    unknown: dict[str, str]
    unreadable: dict[str, str]
    decoded: bool

    @property
    def different(self) -> list[FolderCount]:
        """The folders whose count is another than in version 5, missing ones among them."""
        return [count for count in self.counts if count.difference]

    @property
    def found(self) -> int:
        """Pictures in the 60 folders."""
        return sum(count.found or 0 for count in self.counts)

    @property
    def expected(self) -> int:
        """Pictures in version 5."""
        return sum(count.expected for count in self.counts)

    @property
    def is_version_5(self) -> bool:
        """Whether nothing differs, as far as was looked."""
        return not (self.different or self.unknown or self.unreadable)


def verify_ai_artbench(root: Path, *, decode: bool = True, threads: int | None = None) -> Verification:
    """Compare a folder with version 5 of AI-ArtBench.

    What counts as a picture is what training takes for one: every file that is neither hidden nor of a kind that holds no
    picture, such as .txt.

    Args:
        root: the folder `Real_AI_SD_LD_Dataset`, or one above it.
        decode: whether to decode every picture (minutes for the whole data set), with a progress bar.
        threads: how many pictures are decoded at a time; None: one for each processor.

    Raises:
        ArtclfError: where there is no such folder, nothing in it looks like AI-ArtBench, or a folder can't be listed.
    """
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        raise ArtclfError(f"{root}: {problem}; type artclf data verify FOLDER")
    base = find_base(root)
    if base is None:
        raise ArtclfError(f"{root}: no AI-ArtBench here; expected {FOLDER}/train/STYLE/… in it, or train/ and test/ themselves")
    counts, paths, unknown = [], [], _strange_splits(base)
    for split, folders in expected_counts().items():
        there = _names(base / split)
        for folder, expected in folders.items():
            files = _pictures(base, f"{split}/{folder}", unknown) if there.get(folder) else None
            counts.append(FolderCount(split, folder, expected, None if files is None else len(files)))
            paths += files or []
        missing = [folder for folder in folders if folder not in there]
        for name, is_folder in there.items():
            if name not in folders or not is_folder:
                hint = nearest(name, missing) if is_folder else ""
                unknown[f"{split}/{name}"] = f"version 5 has no such {'folder' if is_folder else 'file'}{hint}"
    return Verification(base, counts, unknown, _unreadable(base, paths, threads) if decode else {}, decode)


def _names(folder: Path) -> dict[str, bool]:
    """What is in a folder, by name, hidden things left out: whether it is a folder. Empty where there is no such folder."""
    if not folder.is_dir():
        return {}
    try:
        with os.scandir(folder) as entries:  # quicker than Path.iterdir: the kind of each comes with its name
            return {entry.name: entry.is_dir() for entry in sorted(entries, key=lambda e: e.name) if entry.name[0] != "."}
    except OSError as error:
        raise ArtclfError(f"{folder}: can't be listed: {(error.strerror or str(error)).lower()}") from error


def _strange_splits(base: Path) -> dict[str, str]:
    return {name: "version 5 has train and test alone" for name in _names(base) if name not in SPLITS}


def _pictures(base: Path, folder: str, unknown: dict[str, str]) -> list[str]:
    """The pictures of a folder; what else is in it is noted as unknown."""
    files = []
    for name, is_folder in _names(base / folder).items():
        path = f"{folder}/{name}"
        if is_folder:
            unknown[path] = "a folder where pictures should be"
        elif os.path.splitext(name)[1].lower() in NOT_PICTURES:  # noqa: PTH122 (a Path for each of 185,015 takes a second)
            unknown[path] = "not a picture"
        else:
            files.append(path)
    return files


def _unreadable(base: Path, paths: list[str], threads: int | None) -> dict[str, str]:
    looks = inspect_files(base, paths, max_pixels=DEFAULT_MAX_PIXELS, threads=threads or os.cpu_count() or 1)
    return {path: reason for path, reason in zip(paths, looks["reason"], strict=True) if reason}
