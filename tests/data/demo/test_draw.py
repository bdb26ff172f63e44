"""The demo pictures: the same every time, stored alike, and told apart by the generators' traces alone."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from artclf.data.demo import draw
from artclf.data.demo.draw import GENERATORS, STYLES, draw_demo, draw_picture, generate
from artclf.data.facts import read_facts
from artclf.data.sources.ai_artbench import read_ai_artbench
from artclf.errors import ArtclfError

SMALL = {"seed": 3, "size": 32, "train_per_folder": 2, "test_per_folder": 1}


def contents(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.png")}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return draw_demo(tmp_path_factory.mktemp("demo") / "drawn", seed=0, size=96, train_per_folder=10, test_per_folder=2)


@pytest.fixture(scope="module")
def pictures(root):
    """The training pictures as floats [n, 96, 96, 3], and each one's folder."""
    paths = sorted(root.glob("*/train/*/*.png"))
    return np.stack([np.asarray(Image.open(path)) for path in paths]) / 255, [path.parent.name for path in paths]


def luminance(pictures):
    return pictures @ [0.299, 0.587, 0.114]


# -- files


def test_the_same_arguments_give_the_same_bytes(tmp_path):
    np.random.seed(1)  # noqa: NPY002  the global state must not matter
    first = contents(draw_demo(tmp_path / "a", **SMALL))
    np.random.seed(2)  # noqa: NPY002
    assert contents(draw_demo(tmp_path / "b", **SMALL)) == first
    other = contents(draw_demo(tmp_path / "c", **{**SMALL, "seed": 4}))
    assert other.keys() == first.keys()
    assert all(other[name] != first[name] for name in first)


@pytest.mark.parametrize(
    ("shortcut", "human", "ai"),
    [
        ("size", ("PNG", (48, 48), None), ("PNG", (32, 32), None)),
        ("quality", ("JPEG", (48, 48), 95), ("JPEG", (48, 48), 75)),
        ("format", ("JPEG", (48, 48), 75), ("PNG", (48, 48), None)),
    ],
)
def test_a_planted_shortcut_is_in_every_file(tmp_path, shortcut, human, ai):
    root = draw_demo(tmp_path / "demo", **{**SMALL, "size": 48}, shortcut=shortcut)
    assert f"stored otherwise ({shortcut})" in (root / "README.txt").read_text(encoding="utf-8")
    found = {"human": set(), "ai": set()}
    manifest = read_ai_artbench(root)
    for path, label in manifest.table[["path", "label"]].itertuples(index=False):
        facts = read_facts(manifest.root / path)
        found[label].add((facts.format, (facts.width, facts.height), facts.jpeg_quality))
    assert found == {"human": {human}, "ai": {ai}}


def test_more_pictures_leave_the_first_ones_as_they_are(tmp_path):
    few = contents(draw_demo(tmp_path / "few", **SMALL))
    many = contents(draw_demo(tmp_path / "many", **{**SMALL, "train_per_folder": 3}))
    assert few.items() < many.items()


def test_ai_artbench_reads_them(root):
    table = read_ai_artbench(root).table
    for split, count in (("train", 10), ("test", 2)):
        counts = table[table["split"] == split].value_counts(["label", "generator", "style"]).to_dict()
        human = {("human", "human", style): count for style in STYLES}
        ai = {("ai", generator, style): count for generator in GENERATORS.values() for style in STYLES}
        assert counts == human | ai
    assert "nothing about art" in (root / "README.txt").read_text(encoding="utf-8")


def test_files_are_stored_alike(root):
    paths = list(root.rglob("*.png"))
    assert len({path.stat().st_size for path in paths}) == 1
    assert {path.name for path in paths} == {f"{number:04}.png" for number in range(10)}
    for path in paths:
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size, image.info) == ("PNG", "RGB", (96, 96), {})


def test_no_picture_is_there_twice(root):
    drawn = contents(root)
    assert len({hashlib.sha256(data).digest() for data in drawn.values()}) == len(drawn) == 12 * (10 + 2)


def test_no_ai_picture_is_a_human_one_passed_through_a_generator(pictures):
    small = pictures[0].reshape(-1, 12, 8, 12, 8, 3).mean(axis=(2, 4)).reshape(len(pictures[0]), -1)
    distance = np.sqrt(((small[:, None] - small[None]) ** 2).mean(axis=-1))
    np.fill_diagonal(distance, np.inf)
    assert distance.min() > 0.06  # more than a generator changes: see below


@pytest.mark.parametrize("generator", GENERATORS.values())
def test_a_generator_keeps_the_composition(pictures, generator):
    before = np.uint8(pictures[0][:4] * 255 + 0.5)
    after = np.stack([generate(picture, generator, np.random.default_rng(0)) for picture in before])
    means = [x.reshape(-1, 12, 8, 12, 8, 3).mean(axis=(2, 4)) / 255 for x in (before, after)]
    assert np.sqrt(((means[0] - means[1]) ** 2).mean(axis=(1, 2, 3))).max() < 0.05


# -- drawing once, whole, and nothing else


def test_finished_pictures_are_left_alone(tmp_path, monkeypatch):
    drawn = draw_demo(tmp_path / "demo", **SMALL)
    monkeypatch.setattr(draw, "draw_picture", None)  # a call would fail
    assert draw_demo(drawn, **SMALL) == drawn


def test_an_interruption_leaves_nothing_and_the_next_call_draws_all(tmp_path, monkeypatch):
    calls = []

    def interrupted(style, rng, size):
        calls.append(style)
        if len(calls) > 5:
            raise KeyboardInterrupt
        return draw_picture(style, rng, size)

    with monkeypatch.context() as patch:
        patch.setattr(draw, "draw_picture", interrupted)
        with pytest.raises(KeyboardInterrupt):
            draw_demo(tmp_path / "demo", **SMALL)
    assert list(tmp_path.iterdir()) == []
    assert len(contents(draw_demo(tmp_path / "demo", **SMALL))) == 12 * 3


def test_two_calls_at_once_end_with_one_whole_set(tmp_path, monkeypatch):
    both_have_begun, rng_of = Barrier(2, timeout=60), np.random.default_rng

    def together(entropy):
        if entropy == [3, *b"train/oil/0"]:
            both_have_begun.wait()
        return rng_of(entropy)

    monkeypatch.setattr(np.random, "default_rng", together)
    with ThreadPoolExecutor(2) as threads:
        calls = [threads.submit(draw_demo, tmp_path / "demo", **SMALL) for _ in range(2)]
        assert [call.result() for call in calls] == [tmp_path / "demo"] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
    assert len(contents(tmp_path / "demo")) == 12 * 3


def test_an_empty_folder_is_filled(tmp_path):
    assert len(contents(draw_demo(tmp_path, **SMALL))) == 12 * 3


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "letters.txt").write_text("dear Theo")
    with pytest.raises(ArtclfError, match="holds something other than the demo pictures"):
        draw_demo(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_a_folder_with_another_demo_is_refused(tmp_path):
    draw_demo(tmp_path / "demo", **SMALL)
    with pytest.raises(ArtclfError, match=r"seed 4, 32 pixels.*give another folder as data\.root"):
        draw_demo(tmp_path / "demo", **{**SMALL, "seed": 4})


# -- pictures


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("size", [32, 45])
def test_any_size_can_be_drawn_and_generated(style, size):
    picture = draw_picture(style, np.random.default_rng(0), size)
    assert (picture.shape, picture.dtype) == ((size, size, 3), np.uint8)
    before = picture.copy()
    for generator in GENERATORS.values():
        ai = generate(picture, generator, np.random.default_rng(1))
        assert (ai.shape, ai.dtype) == (picture.shape, np.uint8)
        np.testing.assert_array_equal(ai, generate(picture, generator, np.random.default_rng(1)))
        assert (ai != before).mean() > 0.5
    np.testing.assert_array_equal(picture, before)


def test_styles_differ(pictures):
    """Sharpness along and across, saturation and the paper's rim are enough to tell the techniques."""
    x, folders = pictures
    light = luminance(x)
    rim = np.concatenate([x[:, :3].mean(axis=(1, 2)), x[:, :, :3].mean(axis=(1, 2))], axis=1)
    texture = [np.abs(np.diff(light, step, axis=axis)).mean(axis=(1, 2)) for step in (1, 2) for axis in (1, 2)]
    features = np.column_stack([*texture, (x.max(axis=-1) - x.min(axis=-1)).mean(axis=(1, 2)), rim])
    style = np.array([next(style for style in STYLES if folder.endswith(style)) for folder in folders])
    guess = cross_val_predict(RandomForestClassifier(100, random_state=0), features, style, cv=5)
    assert (guess == style).mean() > 0.8


# -- what tells the classes apart, and what does not


def simple_statistics(x):
    """Mean saturation, brightness, contrast, and each colour's mean and deviation: [n, 9]."""
    light, high = luminance(x), x.max(axis=-1)
    saturation = ((high - x.min(axis=-1)) / np.maximum(high, 1e-6)).mean(axis=(1, 2))
    return np.column_stack(
        [saturation, light.mean(axis=(1, 2)), light.std(axis=(1, 2)), x.mean(axis=(1, 2)), x.std(axis=(1, 2))]
    )


def sharpness(x):
    light = luminance(x)
    return np.abs(np.diff(light, 2, axis=1)).mean(axis=(1, 2)) + np.abs(np.diff(light, 2, axis=2)).mean(axis=(1, 2))


@pytest.mark.parametrize("generator", GENERATORS.values())
@pytest.mark.parametrize("style", STYLES)
def test_a_generator_keeps_the_simple_statistics(style, generator):
    before = np.stack([draw_picture(style, np.random.default_rng(number), 96) for number in range(4)])
    after = np.stack([generate(picture, generator, np.random.default_rng(9)) for picture in before])
    shift = simple_statistics(after / 255) - simple_statistics(before / 255)
    assert np.abs(shift).max() < 0.05
    assert np.abs(shift.mean(axis=0)).max() < 0.015
    np.testing.assert_allclose(sharpness(after / 255), sharpness(before / 255), rtol=0.2)


def test_simple_statistics_do_not_tell_the_classes_apart(pictures):
    x, folders = pictures
    ai = np.array([folder.startswith("AI_") for folder in folders])
    features = np.column_stack([simple_statistics(x), sharpness(x)])
    forest = RandomForestClassifier(200, min_samples_leaf=3, random_state=0)
    chance = cross_val_predict(forest, features, ai, cv=5, method="predict_proba")[:, 1]
    assert roc_auc_score(ai, chance) < 0.65


def checkerboard(x):
    """The spectrum of the luminance at a period of two pixels, against that around it: above 1, a lattice [n]."""
    spectrum = np.abs(np.fft.fft2(luminance(x) - luminance(x).mean(axis=(1, 2), keepdims=True)))
    peaks = spectrum[:, [48, 0, 48], [0, 48, 48]]
    around = np.stack([spectrum[:, [44, 45, 51, 52], [0] * 4], spectrum[:, [0] * 4, [44, 45, 51, 52]]]).mean(axis=(0, 2))
    return peaks.max(axis=1) / around


def pairing(x):
    """How much more pixels differ from one pair to the next than within a pair [n]: above 1 after repetition."""
    light = luminance(x)
    across = sum(np.abs(np.diff(light, axis=axis)).mean(axis=3 - axis) for axis in (1, 2))
    return across[:, 1::2].mean(axis=1) / across[:, ::2].mean(axis=1)


@pytest.mark.parametrize(("tag", "trace"), [("TC", checkerboard), ("NC", pairing)])
def test_a_generator_leaves_its_trace(pictures, tag, trace):
    x, folders = pictures
    ai = np.array([folder.startswith(f"AI_{tag}_") for folder in folders])
    human = np.array([not folder.startswith("AI_") for folder in folders])
    strength = trace(x)
    assert roc_auc_score(ai[ai | human], strength[ai | human]) > 0.9
