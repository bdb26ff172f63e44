import base64
import json
import re
import shutil
from dataclasses import asdict
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artclf.errors import ArtclfError
from artclf.evaluation.robustness import compare_forms
from artclf.report import format as fmt
from artclf.report.run_page import write_report
from artclf.report.text import read_robustness
from tests.report.test_text import measured

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
    return folder, read(write_report(folder))


def test_every_figure_is_embedded_and_described(full_page):
    folder, page = full_page
    files = sorted((folder / "figures").glob("*.png"))
    drawn = ["accuracy", "confusion", "loss", "network", "reliability", "roc_pr", "scores"]
    assert [file.stem for file in files] == drawn
    embedded = []
    for picture in page.pictures:
        kind, data = picture["src"].removeprefix("data:image/").split(";base64,", 1)
        with Image.open(BytesIO(base64.b64decode(data))) as image:
            image.load()
            assert (str(image.width), str(image.height)) == (picture["width"], picture["height"])
            assert image.format.lower() == kind
        assert len(picture["alt"]) > 10
        embedded += [base64.b64decode(data)] if kind == "png" else []
    assert sorted(embedded) == sorted(file.read_bytes() for file in files)
    assert len(page.pictures) - len(files) > 24  # samples of both classes, and mistakes
    assert "unread" not in page.ids


def test_images_that_are_gone_are_counted_and_the_page_is_written(make_run, tmp_path):
    page = read(write_report(make_run(tmp_path)))
    assert "unread" in page.ids
    assert "can't be read any more under" in page.text
    assert "the file can't be read any more" in page.text[page.text.index("False accusations") :]


def test_the_page_needs_nothing_besides_itself(full_page):
    _, page = full_page
    assert {address for address in page.addresses if not address.startswith("data:image/")} == {
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
    test = metrics["splits"]["test"]
    for expected in (
        fmt.share(test["accuracy"]),
        fmt.share(test["balanced_accuracy"]),
        fmt.score(test["auroc"]),
        fmt.share(test["false_positive_rate"]),
        fmt.share(test["false_negative_rate"]),
        fmt.score(test["loss"]),
        f"false accusations: {test['confusion']['human']['ai']} of 40",
        fmt.share(metrics["splits"]["unseen"]["accuracy"]),
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


def test_it_is_written_again_from_the_folder_alone(full_page, tmp_path):
    folder, _ = full_page
    shutil.copytree(folder, tmp_path / "again")
    first = (folder / "report.html").read_text(encoding="utf-8")
    shutil.rmtree(tmp_path / "again" / "figures")
    assert write_report(tmp_path / "again").read_text(encoding="utf-8") == first.replace("my run", "again")
    (tmp_path / "again" / "layers.csv").unlink()
    (tmp_path / "again" / "figures" / "network.png").unlink()
    assert "The parameters of each block" not in read(write_report(tmp_path / "again")).text


def test_fallbacks_and_demo_are_told_before_the_figures(make_run, tmp_path):
    lines = ["no weights: <b>random</b> ones", "no GPU"]
    run = make_run(tmp_path, fallbacks=lines, data={"source": "demo"})
    page = read(write_report(run))
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
    page = read(write_report(run))
    assert "script" not in page.tags
    assert page.text.count(nasty) >= 10
    assert "<b>no</b> picture" in page.text
    assert "名画 $x$" in page.text
    assert "a&b <i>" in page.text


def test_no_mistakes_and_one_class_alone(make_run, make_predictions, tmp_path):
    table = make_predictions()
    table["p_ai"] = (table["label"] == "ai") * 0.9 + 0.05
    table = table[table["label"] == "ai"]
    page = read(write_report(make_run(tmp_path, predicted=table)))
    assert "Not one test image was judged wrongly." in page.text
    assert "of 78 AI works 0 are missed (0.0%)" in page.text
    assert "–false accusations" not in page.text  # a rate without human works is a dash in its tile, not a number
    assert re.search(r"–\s*human works called AI", page.text)


def test_huge_counts_have_separators(make_run, tmp_path):
    counts = {
        "train": {"human": {"human": 50000}, "ai": {"x": 105015}},
        "test": {"human": {"human": 10000}, "ai": {"x": 20000}},
    }
    page = read(write_report(make_run(tmp_path, data={"source": "csv", "counts": counts, "rejected": 1234})))
    for number in ("155,015", "30,000", "185,015", "1,234 files could not be read"):
        assert number in page.text


@pytest.mark.parametrize("number", [20, 21])
def test_twenty_rejected_files_are_listed(number, make_run, tmp_path):
    run = make_run(tmp_path, data={"source": "csv", "rejected": number})
    pd.DataFrame({"path": [f"bad_{i:02d}.png" for i in range(number)], "reason": "truncated"}).to_csv(
        run / "rejected.csv", index=False
    )
    page = read(write_report(run))
    assert page.text.count("bad_") == 20
    assert ("rejected.csv holds all" in page.text) == (number > 20)


def test_an_old_run_shows_what_is_there_and_says_what_is_not(tmp_path):
    (tmp_path / "metrics.json").write_text('{"splits": {"test": {"accuracy": 0.9, "n": 10}}}')
    page = read(write_report(tmp_path))
    assert "90.0%" in page.text
    assert "Not recorded by this run: stages, best, model" in page.text
    assert "which images were judged wrongly is not known" in page.text
    assert page.pictures == []
    for leaked in ("None", "Undefined", "nan"):
        assert leaked not in page.text


def test_an_empty_record_is_still_a_page(tmp_path):
    (tmp_path / "metrics.json").write_text("{}")
    assert "No results on test pictures were recorded." in read(write_report(tmp_path)).text


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(ArtclfError, match=r"no metrics\.json"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_an_evaluation_says_what_it_is_and_misses_nothing_of_a_training(make_run, tmp_path):
    told = {"of": "runs/old", "data": "museum", "checkpoint": "/weights/best.ckpt", "checkpoint_sha256": "ab" * 32}
    run = make_run(tmp_path, evaluation={**told, "left_out": 0}, balance=None)
    page = read(write_report(run))
    assert "artclf, evaluation of runs/old on museum" in page.text
    assert "report of a run" not in page.text
    assert "ab" * 32 in page.text
    assert "Not recorded" not in page.text
    assert "val chose the best weights" not in page.text  # that of other pictures did not
    own = make_run(tmp_path, evaluation={**told, "left_out": 9})
    assert "val chose the best weights" in read(write_report(own)).text


def works(*parts: tuple[str, str, str, int, int], split: str = "test") -> pd.DataFrame:
    """Rows of predictions.csv: (label, generator, style, judged rightly, of how many)."""
    rows = []
    for label, generator, look, right, n in parts:
        for i in range(n):
            p_ai = 0.9 if (label == "ai") == (i < right) else 0.1
            rows.append((f"{len(rows)}.png", label, generator, look, split, p_ai))
    return pd.DataFrame(rows, columns=["path", "label", "generator", "style", "split", "p_ai"])


TWO = (
    *(("human", "human", "ink", 45, 50), ("human", "human", "oil", 50, 50), ("ai", "sd", "ink", 30, 50)),
    *(("ai", "sd", "oil", 2, 3), ("ai", "ld", "oil", 49, 50)),
)


def test_groups_have_their_intervals_and_the_worst_is_named(make_run, tmp_path):
    run = make_run(tmp_path, predicted=pd.concat([works(*TWO), works(("ai", "<new>", "oil", 10, 40), split="unseen")]))
    html = write_report(run).read_text(encoding="utf-8")
    section = html[html.index('<h2 id="cells">') : html.index('<h2 id="mistakes">')]
    for said in (
        "wrongly accused most in the style ink: 5 of 50 were called AI (10.0%, 95%: 4–21%; of all human works 5.0%)",
        "differs from the others by no more than chance explains (p = 0.11",
        "AI works of sd in the style ink: 20 of 50 were missed (40.0%, 95%: 28–54%;",
        "by more than chance explains (p &lt; 0.001)",
        "The split unseen",
    ):
        assert said in section, said
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr.*?</tr>", section)]
    assert ["human", "90.0%", "of", "50", "100.0%", "of", "50"] in rows  # by style
    assert ["human", "people", "100", "95.0%", "89–98%", "–"] in rows
    assert ["&lt;new&gt;", "AI", "40", "25.0%", "14–40%", "–"] in rows
    tiles = html[html.index('class="tiles"') : html.index("<nav")]
    assert "95%: 2–11%<br>false accusations: 5 of 100" in tiles  # Wilson's interval of 5 of 100
    (run / "groups.csv").write_text("split,cell\ntest,split\n")
    with pytest.raises(ArtclfError, match="has no column generator"):
        write_report(run)
    (run / "groups.csv").unlink()
    assert "No groups.csv in the run folder" in read(write_report(run)).text


def test_small_groups_are_grey_and_a_long_table_is_cut(make_run, tmp_path):
    table = works(*[("ai", "sd", f"style_{i:02d}", i, i) for i in range(1, 46)], ("human", "human", "style_45", 30, 30))
    html = write_report(make_run(tmp_path, predicted=table)).read_text(encoding="utf-8")
    assert html.count('<tr class="few">') > 0
    assert "5 of the smallest are left out here; groups.csv holds all." in html


def test_thresholds_and_calibration_are_described(full_page):
    folder, page = full_page
    metrics = json.loads((folder / "metrics.json").read_text())
    judge = metrics["judge"]
    for said in (
        f"from a p_ai of {judge['ai_from']:.3f} on",
        "30 human and 30 AI works",
        "Temperature scaling: all logits divided by one number (0.",
        "less sure than it could have been",
        "too few human works in validation: 30 of the 999 that this needs",
        "where AI works are as frequent as there (50.0%)",
        "val fitted the calibration",
        *(f"{metrics['calibration']['splits'][name]['after']['log_loss']:.3f}" for name in ("test", "unseen", "val")),
    ):
        assert said in page.text, said


def test_without_validation_images_nothing_is_guaranteed(make_run, make_predictions, tmp_path):
    page = read(write_report(make_run(tmp_path, predicted=make_predictions().query("split != 'val'"))))
    assert "Validation has no thresholds: nothing is promised" in page.text
    assert "that one can bear" not in page.text


@pytest.mark.parametrize(
    ("stored", "formed", "meaning"),
    [(2.5, 0.2, "it judges better in the form that it knows"), (1, 1, "no more than chance")],
)
def test_both_forms_stand_side_by_side(stored, formed, meaning, make_run, tmp_path):
    is_ai = np.arange(400) % 2 == 0
    noise, sign = np.random.default_rng(0).normal(size=400), np.where(is_ai, 1, -1)
    scores = [1 / (1 + np.exp(-(strength * sign + noise))) for strength in (stored, formed)]
    found = {**compare_forms(is_ai, *scores), "trained_on": "as_stored", "form": {"side": 224, "quality": 75}}
    page = read(write_report(make_run(tmp_path, canonical_comparison=found)))
    assert "forms" in page.ids
    assert meaning in page.text
    assert f"{found['as_stored']['auroc'][0]:.3f}" in page.text


def test_robustness_has_its_section(make_run, tmp_path):
    found = measured()
    run = make_run(tmp_path / "run")
    facts = {"seed": 0, "image_size": 224, "shorter_side": {"human": 256.0, "ai": 768.0}}
    (run / "robustness.json").write_text(json.dumps({**facts, **asdict(found)}))
    assert read_robustness(run) == found
    page = write_report(run).read_text()
    row = page[page.index(">JPEG 30<") :]
    row = row[: row.index("</tr>")]
    jpeg = found.of("jpeg")[-1]
    for cell in (f">{jpeg.flips.accused}<", f">{jpeg.recall.value:.1%}<", "bias to AI, threshold"):
        assert cell in row
    for name in ("robustness", "robustness_alone"):
        assert (run / "figures" / f"{name}.png").is_file()
    assert 'href="#robustness"' in page
