"""Pictures that artclf draws itself, so that everything can be tried at once, without any data set.

The "human" half are drawings by a program, in the manner of four techniques; the "AI" half are other drawings of the same
kind, passed through what leaves a generator's trace. Both are stored alike. A score on them tells nothing about art.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from artclf.data.demo.brushes import STYLES, draw_picture
from artclf.data.demo.generators import GENERATORS, generate
from artclf.errors import ArtclfError

__all__ = ["GENERATORS", "STYLES", "draw_demo", "draw_picture", "generate"]

FOLDERS: dict[str, tuple[str, str | None]] = {
    **{style: (style, None) for style in STYLES},
    **{f"AI_{tag}_{style}": (style, generator) for tag, generator in GENERATORS.items() for style in STYLES},
}
"""What is in a folder: a style, and the generator if any."""

_QUALITIES: dict[tuple[str | None, bool], int] = {("quality", False): 95, ("quality", True): 75, ("format", False): 75}
"""JPEG quality by the shortcut that is planted, and whether the picture stands for AI; all others are PNG."""

README = """\
These pictures were drawn by a program (artclf, data=demo): {recipe}.

None of them is by a human artist, and none by a generative model. The folders without a prefix hold drawings that stand
for human art; the folders AI_..._STYLE hold other drawings of the same kind, {difference}.
They are here to try the program out. How well a classifier does on them tells nothing about art.
"""


def draw_demo(
    root: str | Path, *, seed: int, size: int, train_per_folder: int, test_per_folder: int, shortcut: str | None = None
) -> Path:
    """Draw the demo pictures in AI-ArtBench's layout, unless they are there already.

    The same arguments give the same files. They are drawn beside the root and moved there when complete, so an interruption
    leaves nothing half done, and of two processes that draw at once the second takes what the first has finished.

    Args:
        root: the folder to make; it then holds README.txt and Real_AI_SD_LD_Dataset/{train,test}/{STYLE,AI_TAG_STYLE}/.
        seed: of the drawings, 0 or more.
        size: the side of a picture in pixels, 32 or more.
        train_per_folder: how many training pictures for each style by "people", and again by each generator.
        test_per_folder: the same of the test set.
        shortcut: None; else no picture passes through a generator, and the two halves differ in how they are stored alone:
            "size" (those of AI at two thirds of the size), "quality" (JPEG at 95 and, those of AI, at 75), "format" (JPEG at
            75 and, those of AI, PNG). A classifier has then nothing to learn but that.

    Returns:
        The root.

    Raises:
        ArtclfError: where the root holds anything but these pictures.
    """
    root = Path(root)
    recipe = f"seed {seed}, {size} pixels, in each folder {train_per_folder} to train and {test_per_folder} to test"
    recipe += f", with a shortcut planted: {shortcut}" if shortcut else ""
    if _is_drawn(root, recipe):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as beside:
        drawn = Path(beside) / root.name
        for split, count in (("train", train_per_folder), ("test", test_per_folder)):
            for folder in FOLDERS:
                _draw_folder(drawn / "Real_AI_SD_LD_Dataset", split, folder, count, seed=seed, size=size, shortcut=shortcut)
        (drawn / "README.txt").write_text(_readme(recipe, shortcut), encoding="utf-8")
        try:
            drawn.rename(root)
        except OSError:
            if not _is_drawn(root, recipe):  # not because another process was quicker
                raise
    return root


def _readme(recipe: str, shortcut: str | None) -> str:
    generators = ", ".join(GENERATORS.values())
    difference = f"passed through a small decoder that leaves\nthe kind of trace real generators leave ({generators})"
    if shortcut:
        difference = f"stored otherwise ({shortcut}): there is\nnothing else to tell them apart by"
    return README.format(recipe=recipe, difference=difference)


def _draw_folder(base: Path, split: str, folder: str, count: int, *, seed: int, size: int, shortcut: str | None) -> None:
    style, generator = FOLDERS[folder]
    (base / split / folder).mkdir(parents=True)
    for number in range(count):
        rng = np.random.default_rng([seed, *f"{split}/{folder}/{number}".encode()])
        picture = draw_picture(style, rng, size)
        if generator and not shortcut:
            picture = generate(picture, generator, rng)
        image = Image.fromarray(picture)
        if generator and shortcut == "size":
            image = image.resize((size * 2 // 3, size * 2 // 3), Image.Resampling.LANCZOS)
        if (quality := _QUALITIES.get((shortcut, bool(generator)))) is not None:
            image.save(base / split / folder / f"{number:04}.jpg", quality=quality)
        else:  # uncompressed: a file's size must tell nothing
            image.save(base / split / folder / f"{number:04}.png", compress_level=0)


def _is_drawn(root: Path, recipe: str) -> bool:
    readme = root / "README.txt"
    if readme.is_file() and recipe in readme.read_text(encoding="utf-8"):
        return True
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise ArtclfError(
            f"{root}: holds something other than the demo pictures asked for ({recipe}); "
            "give another folder as data.root, or remove this one"
        )
    return False
