"""Images that artclf draws itself, so that everything can be tried at once, without any data set.

The "human" half are drawings by a program, in two techniques; the "AI" half are other drawings of the same kind, passed
through a small decoder that leaves a generator's trace. Both are stored alike. Scores on them say nothing about art.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from artclf.data.demo.generators import GENERATORS, generate
from artclf.data.demo.paint import STYLES, draw_image
from artclf.errors import ArtclfError

VERSION = 5  # another number for each change in what is drawn
FOLDERS: dict[str, tuple[str, str | None]] = {
    **{style: (style, None) for style in STYLES},
    **{f"AI_{tag}_{style}": (style, generator) for tag, generator in GENERATORS.items() for style in STYLES},
}
"""The style in each folder, and the generator if any."""

README = """\
These images were drawn by a program (artclf, data=demo): {recipe}.

None of them is by a human artist, and none by a generative model. The folders without a prefix stand for human art; the
folders AI_..._STYLE hold other drawings of the same kind, {difference}.
How well a classifier does on them says nothing about art.
"""


def draw_demo(
    root: str | Path, *, seed: int, size: int, train_per_folder: int, test_per_folder: int, shortcut: str | None = None
) -> Path:
    """Draw the demo images in AI-ArtBench's layout, unless they are there already.

    The same arguments give the same files. They are drawn in a temporary folder beside the root and renamed when complete,
    so that an interruption leaves nothing, and of two processes that draw at once the second uses what the first has drawn.

    The root then holds README.txt and Real_AI_SD_LD_Dataset/{train,test}/{STYLE,AI_TAG_STYLE}/. With a shortcut, no generator
    leaves its trace, and the classes differ in how they are stored alone: "size" (AI at two thirds of the size), "quality"
    (JPEG at 95, AI at 75) or "format" (JPEG at 75, AI as PNG). A size is 32 pixels or more.

    Raises:
        ArtclfError: where the root holds anything but these images.
    """
    root = Path(root)
    recipe = f"version {VERSION}, seed {seed}, {size} pixels, per folder {train_per_folder} to train, {test_per_folder} to test"
    recipe += f", with a shortcut planted: {shortcut}" if shortcut else ""
    if _is_drawn(root, recipe):
        return root
    difference = f"stored otherwise ({shortcut})" if shortcut else f"passed through {' or '.join(GENERATORS.values())}"
    root.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as temporary:
        drawn = Path(temporary) / root.name
        for split, count in (("train", train_per_folder), ("test", test_per_folder)):
            for name in FOLDERS:
                folder = drawn / "Real_AI_SD_LD_Dataset" / split / name
                folder.mkdir(parents=True)
                for number in range(count):
                    rng = np.random.default_rng([seed, *f"{split}/{name}/{number}".encode()])
                    _draw_file(folder / f"{number:04}", rng, size, shortcut)
        (drawn / "README.txt").write_text(README.format(recipe=recipe, difference=difference), encoding="utf-8")
        try:
            drawn.rename(root)
        except OSError:
            if not _is_drawn(root, recipe):  # not because another process was quicker
                raise
    return root


def _draw_file(file: Path, rng: np.random.Generator, size: int, shortcut: str | None) -> None:
    style, generator = FOLDERS[file.parent.name]
    pixels = draw_image(style, rng, size)
    if generator and not shortcut:
        pixels = generate(pixels, generator)
    image = Image.fromarray(pixels)
    if generator and shortcut == "size":
        image = image.resize((size * 2 // 3, size * 2 // 3), Image.Resampling.LANCZOS)
    if shortcut == "quality" or (shortcut == "format" and not generator):
        image.save(f"{file}.jpg", quality=95 if shortcut == "quality" and not generator else 75)
    else:
        image.save(f"{file}.png", compress_level=0)  # uncompressed, so that the size of a file says nothing


def _is_drawn(root: Path, recipe: str) -> bool:
    readme = root / "README.txt"
    if readme.is_file() and recipe in readme.read_text(encoding="utf-8"):
        return True
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise ArtclfError(
            f"{root}: holds something other than the demo images asked for ({recipe}); "
            "give another folder as data.root, or remove this one"
        )
    return False
