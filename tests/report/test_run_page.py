import base64
import json
import re
import shutil
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from artclf.errors import ArtclfError
from artclf.report import format as fmt
from artclf.report.run_page import write_page

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """A page's text, links and pictures; every element is to be closed in order."""

    def __init__(self, html: str):
        super().__init__()
        self.text, self.pictures, self.addresses, self.ids, self.tags = "", [], [], [], []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        self.addresses += [found[name] for name in ("src", "href") if name in found]
        if tag == "img":
            self.pictures.append(found)
        if "id" in found:
            self.ids.append(found["id"])
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] not in ("style", "title"):
            self.text += re.sub(r"\s+", " ", data)


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def full_page(full_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("copy") / "my run"
    shutil.copytree(full_run, folder)
    return folder, read(write_page(folder))


def test_every_figure_is_embedded_and_described(full_page):
    folder, page = full_page
    files = sorted((folder / "figures").glob("*.png"))
    assert len(page.pictures) == len(files) == 15
    embedded = []
    for picture in page.pictures:
        head, data = picture["src"].split(",", 1)
        assert head == "data:image/png;base64"
        with Image.open(BytesIO(base64.b64decode(data))) as image:
            image.load()
            assert (str(image.width), str(image.height)) == (picture["width"], picture["height"])
        assert len(picture["alt"]) > 20
        embedded.append(base64.b64decode(data))
    assert sorted(embedded) == sorted(file.read_bytes() for file in files)


def test_the_page_needs_nothing_besides_itself(full_page):
    _, page = full_page
    assert {address for address in page.addresses if not address.startswith("data:image/png;base64,")} == {
        "#data",
        "#training",
        "#results",
        "#cells",
        "#calibration",
        "#mistakes",
        "#reproduce",
    }
    assert {"data", "training", "results", "mistakes", "reproduce"} <= set(page.ids)
    assert not {"script", "link", "iframe"} & set(page.tags)


def test_the_figures_of_the_run_stand_in_the_text(full_page):
    folder, page = full_page
    metrics = json.loads((folder / "metrics.json").read_text())
    test = metrics["test"]
    for expected in (
        fmt.share(test["accuracy"]),
        fmt.share(test["balanced_accuracy"]),
        fmt.score(test["auroc"]),
        fmt.share(test["false_positive_rate"]),
        fmt.share(test["false_negative_rate"]),
        fmt.score(test["loss"]),
        f"false accusations: {test['confusion']['human']['ai']} of 40",
        fmt.share(metrics["unseen"]["accuracy"]),
        "1 h 11 min",
        "155,015",
        "50,000 human and 105,015 AI pictures; after balancing, an epoch sees 105,015 and 105,015",
        "3 pictures were there more than once (7 files)",
        "2 files could not be read",
        "23,510,081",
        "4,464,641",
        "python train.py model=resnet50 seed=0",
        "bf16-mixed",
        "5f" * 32,
        "0123abc",
        "torch 2.11.0",
        "manifest.csv",
    ):
        assert expected in page.text, expected
    for name, group in (test["by_generator"] | test["by_style"]).items():
        assert name in page.text
        assert fmt.share(group["accuracy"]) in page.text
    assert "Not recorded" not in page.text
    assert "demo" not in page.ids
    assert "fallbacks" not in page.ids


def test_the_worst_mistakes_are_listed_accusations_first(full_page):
    folder, page = full_page
    table = pd.read_csv(folder / "predictions.csv")
    test = table[table["split"] == "test"]
    accused = test[(test["label"] == "human") & (test["p_ai"] >= 0.5)].sort_values("p_ai", ascending=False)
    missed = test[(test["label"] == "ai") & (test["p_ai"] < 0.5)].sort_values("p_ai")
    assert len(accused)
    assert len(missed)
    listed = page.text[page.text.index("Worst mistakes", page.text.index("How to reproduce") + 1) :]
    positions = [listed.index(path) for path in [*accused["path"][:6], *missed["path"][:6]]]
    assert positions == sorted(positions)
    assert f"{len(accused)} false accusations" in listed
    assert f"{len(missed)} AI works missed" in listed


def test_a_figure_that_is_not_there_is_left_out_with_its_caption(full_page, tmp_path):
    folder, page = full_page
    caption = "altered copies that training sees beside it"
    assert caption in page.text
    shutil.copytree(folder, tmp_path / "run")
    (tmp_path / "run" / "figures" / "copies.png").unlink()
    without = read(write_page(tmp_path / "run"))
    assert len(without.pictures) == 14
    assert caption not in without.text


def test_fallbacks_and_demo_are_told_before_the_figures(make_run, tmp_path):
    lines = ["no weights: <b>random</b> ones", "no GPU"]
    run = make_run(tmp_path, fallbacks=lines, data={"source": "demo"})
    page = read(write_page(run))
    assert {"fallbacks", "demo"} <= set(page.ids)
    for line in lines:
        assert page.text.index(line) < page.text.index("balanced accuracy")
    assert "tell nothing about art" in page.text


def test_html_in_names_is_only_text(make_run, make_predictions, tmp_path):
    nasty = '<script>alert("1")</script>&amp;'
    table = make_predictions(generators=(nasty, "名画 $x$"))
    table["path"] = nasty + table["path"]
    table["style"] = nasty
    run = make_run(tmp_path / "a&b <i>", predicted=table, command=f"python train.py data.root='{nasty}'", git=nasty)
    (run / "rejected.csv").write_text(f'path,reason\n"{nasty.replace(chr(34), chr(34) * 2)}",<b>no</b> picture\n')
    page = read(write_page(run))
    assert "script" not in page.tags
    assert page.text.count(nasty) >= 10
    assert "<b>no</b> picture" in page.text
    assert "名画 $x$" in page.text
    assert "a&b <i>" in page.text


def test_no_mistakes_and_one_class_alone(make_run, make_predictions, tmp_path):
    table = make_predictions()
    table["p_ai"] = (table["label"] == "ai") * 0.9 + 0.05
    table = table[table["label"] == "ai"]
    page = read(write_page(make_run(tmp_path, predicted=table)))
    assert "Not one test picture was judged wrongly." in page.text
    assert "of 78 AI works 0 are missed (0.0%)" in page.text
    assert "–false accusations" not in page.text  # a rate without human works is a dash in its tile, not a number
    assert re.search(r"–\s*human works called AI", page.text)


def test_huge_counts_have_separators(make_run, tmp_path):
    counts = {
        "train": {"human": {"human": 50000}, "ai": {"x": 105015}},
        "test": {"human": {"human": 10000}, "ai": {"x": 20000}},
    }
    page = read(write_page(make_run(tmp_path, data={"source": "csv", "counts": counts, "rejected": 1234})))
    for number in ("155,015", "30,000", "185,015", "1,234 files could not be read"):
        assert number in page.text


@pytest.mark.parametrize("number", [20, 21])
def test_twenty_rejected_files_are_listed(number, make_run, tmp_path):
    run = make_run(tmp_path, data={"source": "csv", "rejected": number})
    pd.DataFrame({"path": [f"bad_{i:02d}.png" for i in range(number)], "reason": "truncated"}).to_csv(
        run / "rejected.csv", index=False
    )
    page = read(write_page(run))
    assert page.text.count("bad_") == 20
    assert ("rejected.csv holds all" in page.text) == (number > 20)


def test_an_old_run_shows_what_is_there_and_says_what_is_not(tmp_path):
    (tmp_path / "metrics.json").write_text('{"test": {"accuracy": 0.9, "n": 10}}')
    page = read(write_page(tmp_path))
    assert "90.0%" in page.text
    assert "Not recorded by this run: val, stages, best, model" in page.text
    assert "which pictures were judged wrongly is not known" in page.text
    assert page.pictures == []
    for leaked in ("None", "Undefined", "nan"):
        assert leaked not in page.text


def test_an_empty_record_is_still_a_page(tmp_path):
    (tmp_path / "metrics.json").write_text("{}")
    assert "No results on test pictures were recorded." in read(write_page(tmp_path)).text


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(ArtclfError, match=r"no metrics\.json"):
        write_page(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_an_evaluation_says_what_it_is_and_misses_nothing_of_a_training(make_run, tmp_path):
    told = {"of": "runs/old", "data": "museum", "checkpoint": "/weights/best.ckpt", "checkpoint_sha256": "ab" * 32}
    run = make_run(tmp_path, evaluation={**told, "left_out": 0}, balance=None)
    page = read(write_page(run))
    assert "artclf, evaluation of runs/old on museum" in page.text
    assert "report of a run" not in page.text
    assert "ab" * 32 in page.text
    assert "Not recorded" not in page.text
    assert "val chose the best weights" not in page.text  # that of other pictures did not
    own = make_run(tmp_path, evaluation={**told, "left_out": 9})
    assert "val chose the best weights" in read(write_page(own)).text
