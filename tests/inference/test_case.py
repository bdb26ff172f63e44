import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import artclf
from artclf.data.reader import Pixels
from artclf.errors import ArtclfError
from artclf.evaluation import Floats
from artclf.evaluation.decision import sigmoid
from artclf.inference.case import write_case
from artclf.inference.explain import GRID, Explanation, explain
from artclf.inference.neighbours import nearest_images
from artclf.inference.score import Scorer
from tests.cli.conftest import alone, refusal, run  # noqa: F401  fixtures
from tests.cli.conftest import artclf as command
from tests.conftest import draw


def explained(image: Path, constant: float = 0.0) -> Explanation:
    """Of a network whose score is the brightness of the upper left quarter; or always the same."""

    class Stub(Scorer):
        image_size, interpolation, canonical, batch = 56, "bilinear", None, 16

        def p_ai(self, pixels: Pixels) -> Floats:
            brightness = pixels[:, :, :28, :28].mean((1, 2, 3))
            return np.full(len(pixels), constant) if constant else sigmoid((brightness - 100) / 10)

    return explain(SimpleNamespace(scorer=Stub(), max_pixels=10**6), image)


@pytest.fixture
def spot(tmp_path: Path) -> Iterator[Path]:
    """White in the upper left quarter, noise elsewhere."""
    pixels = np.random.default_rng(0).integers(0, 120, (56, 56, 3), dtype=np.uint8)
    pixels[:28, :28] = 255
    Image.fromarray(pixels).save(tmp_path / "spot.png")
    return tmp_path / "spot.png"


def test_a_map_shows_what_moves_the_score_and_is_better_than_random(spot: Path) -> None:
    found, again = explained(spot), explained(spot)
    assert (found.towards, found.is_faithful) == ("ai", True)
    assert found.fidelity.deletion < found.by_chance.deletion
    assert found.fidelity.insertion > found.by_chance.insertion
    corner = found.cells[: GRID // 2, : GRID // 2]
    assert corner.sum() > 0.8 * np.abs(found.cells).sum()
    assert (found.cells == again.cells).all()
    assert found.random == again.random


def test_a_map_of_nothing_is_no_better_than_random(spot: Path) -> None:
    assert not explained(spot, 0.3).is_faithful


def test_without_captum_the_line_says_what_to_type(spot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(ArtclfError, match=r'type pip install "artclf\[explain\]"'):
        explained(spot)


def test_the_nearest_are_compared_once_and_without_the_image_itself(run: Path, pictures: Path) -> None:  # noqa: F811
    model, image = artclf.load(run), pictures / "train" / "human" / "plain" / "0.png"
    first, again = (nearest_images(model, image, 2) for _ in range(2))
    assert (first.compared, first.trained) == (35, 36)
    assert image not in set(first.rows["file"])
    assert first.rows["label"].value_counts().to_dict() == {"human": 2, "ai": 2}
    pd.testing.assert_frame_equal(first.rows, again.rows)  # the second from the cache


@pytest.fixture
def few_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map that takes no time."""
    for name, value in (("GRID", 4), ("STEPS", 2), ("RANDOM", 1)):
        monkeypatch.setattr(f"artclf.inference.explain.{name}", value)


@pytest.mark.usefixtures("few_cells")
def test_a_case_file(run: Path, pictures: Path, tmp_path: Path) -> None:  # noqa: F811
    image, page = tmp_path / "<b>new&.png", tmp_path / "pages" / "case.html"
    draw(image, "ai", 999)
    assert command("case", run, image, "--to", page).stdout == f"page: {page}\n"
    text = page.read_text()
    assert "Case file: &lt;b&gt;new&amp;.png" in text
    assert "<b>new" not in text
    assert "among 36 of 36 training images" in text
    assert "Any generator but alpha, beta, gamma." in text
    assert "trained on this image" not in text
    assert "proof" not in text.lower()
    assert not [part for part in ("http://", "https://", "<script", "<link", "url(") if part in text]
    assert "screenshot" in text


@pytest.mark.usefixtures("few_cells")
def test_a_case_file_of_a_training_image_says_so(run: Path, pictures: Path, tmp_path: Path) -> None:  # noqa: F811
    image = pictures / "train" / "human" / "plain" / "0.png"
    text = write_case(artclf.load(run), image, tmp_path / "a.html", views=0).read_text()
    assert "trained on this image: its score means nothing" in text
    assert "screenshot" not in text


@pytest.mark.usefixtures("few_cells")
def test_a_case_file_of_a_checkpoint_alone_says_what_is_not_known(alone: Path, pictures: Path, tmp_path: Path) -> None:  # noqa: F811
    image = pictures / "test" / "human" / "plain" / "0.png"
    text = write_case(artclf.load(alone), image, tmp_path / "a.html").read_text()
    assert "What the model was trained on is not known here" in text
    assert "without a run folder" in text
    assert "no rate of errors is guaranteed" in text


def test_what_gives_no_case_file_is_named_in_a_line(run: Path, pictures: Path, tmp_path: Path) -> None:  # noqa: F811
    bad, page = tmp_path / "bad.png", tmp_path / "case.html"
    bad.write_bytes(b"no image")
    done = command("case", run, bad, "--to", page, code=1)
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith(f"error: {bad}: not an image")
    assert not page.exists()
    assert "is a folder, and a case file is about one image" in refusal("case", run, pictures, "--to", page)
    assert "ends in .html" in refusal("case", run, bad, "--to", tmp_path / "case.pdf")
