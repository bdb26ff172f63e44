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
from artclf.report.run_page import blocks_of, write_report
from tests.report.conftest import predictions, write_run
from tests.report.test_robustness import measured

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """A page's text, links and images; every element is to be closed in order."""

    def __init__(self, path: Path):
        super().__init__()
        self.text, self.images, self.addresses, self.ids, self.tags = "", [], set(), set(), set()
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.add(tag)
        self.addresses |= {found[name] for name in ("src", "href") if name in found}
        self.ids |= {found["id"]} if "id" in found else set()
        if tag == "img":
            self.images.append(found)
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] not in ("style", "title"):
            self.text += re.sub(r"\s+", " ", data)


@pytest.fixture(scope="module")
def full_page(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("outputs") / "my run", images=True)
    return folder, Page(write_report(folder))


def test_the_page_is_one_file_with_every_figure_in_it(full_page, tmp_path):
    folder, page = full_page
    files = sorted((folder / "figures").glob("*.png"))
    assert [file.stem for file in files] == ["reliability", "roc_pr", "scores", "training"]
    embedded = []
    for shown in page.images:
        kind, data = shown["src"].removeprefix("data:image/").split(";base64,", 1)
        with Image.open(BytesIO(base64.b64decode(data))) as image:
            image.load()
            assert (str(image.width), str(image.height)) == (shown["width"], shown["height"])
            assert image.format.lower() == kind
        assert len(shown["alt"]) > 10
        embedded += [base64.b64decode(data)] if kind == "png" else []
    assert sorted(embedded) == sorted(file.read_bytes() for file in files)
    assert len(page.images) - len(files) > 24  # samples of both classes, and mistakes
    links = {address for address in page.addresses if not address.startswith("data:image/")}
    assert links == {f"#{name}" for name in ("data", "training", "results", "groups", "calibration", "mistakes", "reproduce")}
    assert {link[1:] for link in links} <= page.ids
    assert not {"script", "link", "iframe"} & page.tags

    shutil.copytree(folder, tmp_path / "again")  # it is written again from the folder alone
    first = (folder / "report.html").read_text(encoding="utf-8")
    shutil.rmtree(tmp_path / "again" / "figures")
    assert write_report(tmp_path / "again").read_text(encoding="utf-8") == first.replace("a run: my run", "a run: again")


def test_the_figures_of_the_run_stand_in_the_text(full_page):
    folder, page = full_page
    metrics = json.loads((folder / "metrics.json").read_text())
    test, rule = metrics["splits"]["test"], metrics["decision_rule"]
    accused, missed = test["confusion"]["human"]["ai"], test["confusion"]["ai"]["human"]
    for expected in (
        "resnet50 was trained on 105,015 AI images and 50,000 human images of ai_artbench, starting from pretrained weights, "
        "in 2 stages: head (head alone), then last10 (last 10 layers).",
        f"On 118 test images that it was not trained on, {test['accuracy']:.1%} are classified right",
        f"{accused} of 40 human images are called AI ({accused / 40:.1%}: false accusations)",
        f"{missed} of 78 AI images are missed ({missed / 78:.1%})",
        "Verdicts on unseen: of 40 AI images",
        "learned from latent_diffusion, stable_diffusion alone",
        fmt.score(test["auroc"]),
        fmt.interval(test["intervals"]["false_positive_rate"]),
        "new_onenot in training",
        "1 h 10 min",
        "50,000 human and 105,015 AI images; after balancing, an epoch sees 105,015 and 105,015",
        "Groups of identical images: 3 (7 files)",
        "2 files could not be read",
        "4,464,641",
        "layer4.1.conv2140,000from stage last10 on",  # one layer
        "layer4.0.conv0117,000never: frozen",
        "python train.py model=resnet50 seed=0",
        "5f" * 32,
        "torch 2.11.0",
        f"from a p_ai of {rule['ai_from']:.3f} on",
        "30 human images and 30 AI images",
        "Calibration: temperature scaling (slope 1.",
        "too few human images in validation: 30 of the 999 needed",
        *(f"{metrics['calibration'][name]['after']['log_loss']:.3f}" for name in ("test", "unseen", "val")),
        *(fmt.share(group["accuracy"]) for group in (test["by_generator"] | test["by_style"]).values()),
    ):
        assert expected in page.text, expected
    assert not {"demo", "fallbacks", "guessing", "canonical", "robustness", "audit", "unread"} & page.ids


def test_a_deep_network_is_shown_by_its_blocks():
    deep = [f"features.{stage}.{block}.{leaf}" for stage in range(3) for block in range(5) for leaf in "abc"]
    assert list(blocks_of(pd.Series([*deep, "head"])).unique()[:2]) == ["features.0.0", "features.0.1"]
    assert blocks_of(pd.Series([*(f"layer_{i}" for i in range(40)), "head"])).nunique() == 41  # nothing left to cut


def test_the_worst_mistakes_are_listed_accusations_first(full_page):
    folder, page = full_page
    table = pd.read_csv(folder / "predictions.csv")
    test = table[table["split"] == "test"]
    accused = test[(test["label"] == "human") & (test["p_ai"] >= 0.5)].sort_values("p_ai", ascending=False)
    missed = test[(test["label"] == "ai") & (test["p_ai"] < 0.5)].sort_values("p_ai")
    positions = [page.text.index(path) for path in [*accused["path"][:6], *missed["path"][:6]]]
    assert len(positions) > 2
    assert positions == sorted(positions)
    assert f"{len(accused)} human images called AI, and {len(missed)} AI images missed" in page.text


@pytest.mark.usefixtures("no_figures")
def test_warnings_stand_before_the_figures_and_what_is_gone_is_named(tmp_path):
    lines = ["no weights: <b>random</b> ones", "no GPU"]
    run = write_run(tmp_path, fallbacks=lines, data={"source": "demo", "root": "data/art"})
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["splits"]["test"]["intervals"]["balanced_accuracy"] = [0.4, 0.6]
    (run / "metrics.json").write_text(json.dumps(metrics))
    rejected = pd.DataFrame({"path": [f"bad_{i:02d}.png" for i in range(21)], "reason": "truncated"})
    rejected.to_csv(run / "rejected.csv", index=False)
    page = Page(write_report(run))
    assert {"fallbacks", "demo", "guessing"} <= page.ids
    for line in (*lines, "say nothing about art", "No better than guessing"):
        assert page.text.index(line) < page.text.index("both classes count alike")
    assert "images that this page would show can't be read any more under data/art; the first: test/human" in page.text
    assert "no such file" in page.text[page.text.index("Human images called AI") :]
    assert page.text.count("bad_") == 20
    assert "21 files could not be read as images and took no part; the first 20 are these" in page.text


def test_html_in_names_is_only_text(tmp_path):
    nasty = '<script>alert("1")</script>&amp;'
    table = predictions(generators=(nasty, "名画 $x$"))
    table["path"] = nasty + table["path"]
    table["style"] = nasty
    run = write_run(tmp_path / "a&b <i>", predicted=table, command=f"python train.py data.root='{nasty}'", git=nasty)
    (run / "rejected.csv").write_text(f'path,reason\n"{nasty.replace(chr(34), chr(34) * 2)}",<b>no</b> image\n')
    page = Page(write_report(run))
    assert "script" not in page.tags
    assert page.text.count(nasty) >= 10
    assert "<b>no</b> image" in page.text
    assert "名画 $x$" in page.text
    assert "a&b <i>" in page.text


@pytest.mark.usefixtures("no_figures")
def test_no_mistakes_and_one_class_alone(tmp_path):
    table = predictions()
    table["p_ai"] = (table["label"] == "ai") * 0.9 + 0.05
    page = Page(write_report(write_run(tmp_path, predicted=table[(table["label"] == "ai") & (table["split"] != "val")])))
    said = "Verdicts on test: of 78 AI images 0 (0.0%, 95% interval 0.0–4.6%) were called human."
    for expected in ("All verdicts on test images are right.", said, "nothing is guaranteed"):
        assert expected in page.text
    assert "Thresholds for other rates" not in page.text


@pytest.mark.parametrize("content", ["{}", '{"splits": {"test": {"accuracy": 0.9, "n": 10}}}'])
def test_a_folder_with_little_in_it_gives_a_page(content, tmp_path):
    (tmp_path / "metrics.json").write_text(content)
    page = Page(write_report(tmp_path))
    assert ("90.0%" in page.text) == ("0.9" in content)
    assert "Without predictions.csv" in page.text
    assert "Without groups.csv" in page.text
    assert page.images == []
    for leaked in ("None", "Undefined", "nan"):
        assert leaked not in page.text
    (tmp_path / "groups.csv").write_text("split,group\ntest,split\n")
    with pytest.raises(ArtclfError, match="has no column generator"):
        write_report(tmp_path)
    (tmp_path / "metrics.json").unlink()
    with pytest.raises(ArtclfError, match=r"no metrics\.json"):
        write_report(tmp_path)


@pytest.mark.usefixtures("no_figures")
def test_an_evaluation_says_what_it_is(tmp_path):
    evaluation = {"of": "runs/old", "data": "museum", "checkpoint": "/weights/best.ckpt", "checkpoint_sha256": "ab" * 32}
    trained_on = {"ai": {"sd": 7}, "human": {"human": 5}}
    page = Page(write_report(write_run(tmp_path, evaluation={**evaluation, "left_out": None, "trained_on": trained_on})))
    for expected in (
        "artclf, evaluation of runs/old on museum",
        "trained on 7 AI images and 5 human images, starting",
        "evaluated on images of museum",
        "learned from sd alone",
        "ab" * 32,
    ):
        assert expected in page.text
    assert "that it was not trained on" not in page.text
    assert "val chose the best weights" not in page.text  # that of other images did not


def images(*parts: tuple[str, str, str, int, int], split: str = "test") -> pd.DataFrame:
    """Rows of predictions.csv: (label, generator, style, right verdicts, of how many)."""
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


@pytest.mark.usefixtures("no_figures")
def test_groups_have_their_intervals_and_the_worst_is_named(tmp_path):
    run = write_run(tmp_path, predicted=pd.concat([images(*TWO), images(("ai", "<new>", "oil", 10, 40), split="unseen")]))
    html = write_report(run).read_text(encoding="utf-8")
    section = html[html.index('<h2 id="groups">') : html.index('<h2 id="mistakes">')]
    for expected in (
        "in the style ink, 5 of 50 (10.0%, 95%: 4.3–21.4%); in all groups 5.0%. The difference is no more than chance explains",
        "sd in the style ink, 20 of 50 (40.0%, 95%: 27.6–53.8%)",
        "more than chance explains (p: &lt; 0.001)",
        "Split unseen",
    ):
        assert expected in section, expected
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr.*?</tr>", section)]
    assert ["human", "90.0%", "of", "50", "100.0%", "of", "50"] in rows  # by style
    assert ["human", "human", "100", "95.0%", "88.8–97.8%", "–"] in rows
    assert ["&lt;new&gt;", "AI", "40", "25.0%", "14.2–40.2%", "–"] in rows


@pytest.mark.usefixtures("no_figures")
def test_small_groups_are_grey_and_a_long_table_is_cut(tmp_path):
    table = images(*[("ai", "sd", f"style_{i:02d}", i, i) for i in range(1, 46)], ("human", "human", "style_45", 30, 30))
    html = write_report(write_run(tmp_path, predicted=table)).read_text(encoding="utf-8")
    styles = html[html.index("By style") : html.index('id="mistakes"')]
    assert re.findall(r'<th scope="row">style_(\d+)', styles) == [f"{i:02d}" for i in range(45, 5, -1)]  # the largest first
    assert '<tr class="few"><th scope="row">style_06' in styles
    assert '<tr><th scope="row">style_45' in styles


def test_canonical_form_and_robustness_have_their_sections(tmp_path):
    is_ai = np.arange(400) % 2 == 0
    noise, sign = np.random.default_rng(0).normal(size=400), np.where(is_ai, 1, -1)
    scores = [1 / (1 + np.exp(-(strength * sign + noise))) for strength in (2.5, 0.2)]
    forms = {**compare_forms(is_ai, *scores), "trained_on": "as_stored", "form": {"side": 224, "quality": 75}}
    run = write_run(tmp_path / "run", canonical_comparison=forms)
    found = measured(reencoded=True)
    facts = {"seed": 0, "image_size": 224, "shorter_side": {"human": 256.0, "ai": 768.0}}
    (run / "robustness.json").write_text(json.dumps({**facts, **asdict(found)}))
    page = Page(write_report(run))
    assert {"canonical", "robustness"} <= page.ids
    assert "it does better in the form that it was trained on" in page.text
    assert f"{forms['as_stored']['auroc'][0]:.3f}" in page.text
    assert page.text.count("bias to AI, threshold") == 4  # JPEG 50 and 30, twice
    jpeg = found.of("jpeg")[-1]
    assert f"JPEG 30{jpeg.false_positive_rate.value:.1%}{jpeg.flips.accused}{jpeg.flips.cleared}" in page.text
    assert (run / "figures" / "robustness.png").is_file()


@pytest.mark.usefixtures("no_figures")
def test_wrong_types_in_metrics_are_one_line_that_names_file_and_key(tmp_path, monkeypatch):
    monkeypatch.setattr("artclf.report.run_page._with_thumbnails", lambda *_: {"mistakes": [], "human": [], "ai": []})
    is_ai = np.arange(40) % 2 == 0
    forms = {**compare_forms(is_ai, is_ai * 0.8, is_ai * 0.6), "trained_on": "as_stored", "form": {"side": 224, "quality": 75}}
    run = write_run(tmp_path, canonical_comparison=forms)
    file, sound = run / "metrics.json", json.loads((run / "metrics.json").read_text())
    for place, wrong in (
        ("splits.test.confusion.human", 3),
        ("splits.test.n", "many"),
        ("stages.0.seconds", "long"),
        ("decision_rule.rates.test.human", [1]),
        ("guarantees.0.low", {}),
        ("calibration.test.before.ece", "x"),
        ("calibration.test", 1.5),
        ("operating_points.0.splits.test.recall", None),
        ("operating_points.0.target_rate", []),
        ("operating_points", {}),
        ("canonical_comparison.flips.ai", "x"),
        ("canonical_comparison.as_stored.auroc", [0.5]),
        ("data.duplicates.files", "x"),
        ("balance.train_counts_before", 7),
    ):
        damaged = json.loads(json.dumps(sound))
        *above, last = place.split(".")
        at = damaged
        for key in above:
            at = at[int(key) if isinstance(at, list) else key]
        at[last] = wrong
        file.write_text(json.dumps(damaged))
        with pytest.raises(
            ArtclfError, match=rf"metrics\.json: is not what artclf writes \({re.escape(place)}.*: got"
        ) as error:
            write_report(run)
        assert len(str(error.value).splitlines()) == 1
