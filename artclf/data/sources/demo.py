"""Pictures that artclf draws itself, so that everything can be tried at once, without any data set.

The "human" half are drawings by a program, in the manner of four techniques; the "AI" half are other drawings of the same
kind, passed through what leaves a generator's trace. Both are stored alike. A score on them tells nothing about art.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from artclf.data.sources.brushes import STYLES, draw_picture
from artclf.data.sources.decoders import GENERATORS, generate
from artclf.errors import ArtclfError

__all__ = ["GENERATORS", "STYLES", "draw_demo", "draw_picture", "generate"]

FOLDERS: dict[str, tuple[str, str | None]] = {
    **{style: (style, None) for style in STYLES},
    **{f"AI_{tag}_{style}": (style, generator) for tag, generator in GENERATORS.items() for style in STYLES},
}
"""What is in a folder: a style, and the generator if any."""

README = """\
These pictures were drawn by a program (artclf, data=demo): {recipe}.

None of them is by a human artist, and none by a generative model. The folders without a prefix hold drawings that stand
for human art; the folders AI_..._STYLE hold other drawings of the same kind, passed through a small decoder that leaves
the kind of trace real generators leave ({generators}).
They are here to try the program out. How well a classifier does on them tells nothing about art.
"""


def draw_demo(root: str | Path, *, seed: int, size: int, train_per_folder: int, test_per_folder: int) -> Path:
    """Draw the demo pictures in AI-ArtBench's layout, unless they are there already.

    The same arguments give the same files. They are drawn beside the root and moved there when complete, so an interruption
    leaves nothing half done, and of two processes that draw at once the second takes what the first has finished.

    Args:
        root: the folder to make; it then holds README.txt and Real_AI_SD_LD_Dataset/{train,test}/{STYLE,AI_TAG_STYLE}/.
        seed: of the drawings, 0 or more.
        size: the side of a picture in pixels, 32 or more.
        train_per_folder: how many training pictures for each style by "people", and again by each generator.
        test_per_folder: the same of the test set.

    Returns:
        The root.

    Raises:
        ArtclfError: where the root holds anything but these pictures.
    """
    root = Path(root)
    recipe = f"seed {seed}, {size} pixels, in each folder {train_per_folder} to train and {test_per_folder} to test"
    if _is_drawn(root, recipe):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as beside:
        drawn = Path(beside) / root.name
        for split, count in (("train", train_per_folder), ("test", test_per_folder)):
            for folder in FOLDERS:
                _draw_folder(drawn / "Real_AI_SD_LD_Dataset", split, folder, count, seed=seed, size=size)
        readme = README.format(recipe=recipe, generators=", ".join(GENERATORS.values()))
        (drawn / "README.txt").write_text(readme, encoding="utf-8")
        try:
            drawn.rename(root)
        except OSError:
            if not _is_drawn(root, recipe):  # not because another process was quicker
                raise
    return root


def _draw_folder(base: Path, split: str, folder: str, count: int, *, seed: int, size: int) -> None:
    style, generator = FOLDERS[folder]
    (base / split / folder).mkdir(parents=True)
    for number in range(count):
        rng = np.random.default_rng([seed, *f"{split}/{folder}/{number}".encode()])
        picture = draw_picture(style, rng, size)
        if generator:
            picture = generate(picture, generator, rng)
        # uncompressed: a file's size must tell nothing
        Image.fromarray(picture).save(base / split / folder / f"{number:04}.png", compress_level=0)


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
