import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artclf.data.distortions import ALIKE, DISTORTIONS, list_versions
from artclf.errors import ArtclfError
from artclf.evaluation.robustness import Robustness, measure_robustness
from artclf.report.robustness import (
    draw_robustness,
    in_words,
    name_of,
    plot_alone,
    plot_rates,
    read_robustness,
    section,
)
from artclf.report.run_page import write_page
from artclf.report.style import AI, HUMAN

PEOPLE, BY_AI = 50, 70
LABELS = np.repeat(["human", "ai"], [PEOPLE, BY_AI])


def measured(*, all_alike: bool = False, labels: tuple[str, ...] = ("human", "ai"), still: bool = False) -> Robustness:
    """A detector that takes low JPEG quality for AI, and does not see through blur."""
    rng = np.random.default_rng(0)
    clean = rng.normal(0, 1, len(LABELS)) + np.where(LABELS == "ai", 1.5, -1.5)
    parts = []
    for version in list_versions(all_alike=all_alike):
        logit = clean.copy()
        if version.distortion == "jpeg" and not still:
            logit += {90: 0, 75: 0.1, 50: 1.8, 30: 2.5}[version.level]
        if version.distortion == "blur" and not still:
            logit = logit * (1 - version.level / 2) - 0.1 * np.arange(len(logit)) % 1
        table = pd.DataFrame({"path": [str(i) for i in range(len(LABELS))], "label": LABELS, "p_ai": 1 / (1 + np.exp(-logit))})
        parts.append(table.assign(first=version.first, distortion=version.distortion, level=version.level))
    scores = pd.concat(parts, ignore_index=True).astype({"level": float})
    return measure_robustness(scores[scores["label"].isin(labels)], 0.5)


@pytest.fixture(scope="module")
def found() -> Robustness:
    return measured()


@pytest.fixture
def folder(found: Robustness, make_run: Callable[..., Path], tmp_path: Path) -> Path:
    run = make_run(tmp_path / "run")
    facts = {"seed": 0, "image_size": 224, "shorter_side": {"human": 256.0, "ai": 768.0}}
    (run / "robustness.json").write_text(json.dumps({**facts, **asdict(found)}))
    draw_robustness(run / "figures", found)
    return run


def test_the_words_say_what_breaks_it_whom_it_accuses_and_of_which_kind_it_is(found: Robustness) -> None:
    worst, accused, *kinds, alike = in_words(found)
    clean, blurred = found.clean, found.of("blur")[-1]
    assert worst == (
        f"What breaks it most: blur 2. With all pictures altered so, balanced accuracy falls from "
        f"{clean.balanced_accuracy['both'].value:.1%} to {blurred.balanced_accuracy['both'].value:.1%} at the same threshold."
    )
    jpeg = found.of("jpeg")[-1]
    assert accused == (
        f"Newly accused: {jpeg.flips.accused} of 50 human works ({jpeg.flips.accused / 50:.1%}), called human as they are, "
        "under JPEG 30."
    )
    assert any(line.startswith("Bias: works look more like AI's under JPEG 50 and 30;") for line in kinds)
    assert any(line.startswith("Fragility: what it looks for is lost under blur") for line in kinds)
    assert any("No loss of the scores' order was found under JPEG 50 and 30" in line for line in kinds)
    assert alike.startswith("With every picture re-encoded alike first (JPEG 95), 0 of 120 verdicts change, and")


def test_what_holds_is_said_to_hold() -> None:
    lines = in_words(measured(still=True))
    assert lines[0].startswith("Nothing that was tried lowers the balanced accuracy of ")
    assert lines[1] == "None of the 50 human works is newly called AI by any of it."
    assert lines[2].startswith("Neither bias nor fragility beyond chance")


def test_one_class_alone_is_told_what_can_be(tmp_path: Path) -> None:
    people = measured(labels=("human",))
    lines = in_words(people)
    assert len(lines) == 2
    assert lines[0].startswith("Newly accused: ")
    draw_robustness(tmp_path, people)
    assert [file.name for file in tmp_path.iterdir()] == ["robustness.png"]
    (line,) = plot_rates(people).axes[0].get_lines()
    assert line.get_color() == HUMAN
    assert "accused" not in " ".join(in_words(measured(labels=("ai",))))


def test_a_panel_a_distortion_with_the_figures_of_its_levels(found: Robustness) -> None:
    axes = plot_rates(found).axes
    titles = [panel.get_title("left") for panel in axes]
    assert len(titles) == len(DISTORTIONS)
    assert titles[:2] == ["JPEG (quality)", "WebP (quality)"]
    assert [text.get_text() for text in axes[0].get_xticklabels()] == ["as it is", "90", "75", "50", "30"]
    recall, accused = axes[0].get_lines()
    assert (recall.get_color(), accused.get_color()) == (AI, HUMAN)
    levels = [found.clean, *found.of("jpeg")]
    assert list(recall.get_ydata()) == [level.recall.value for level in levels]
    assert list(accused.get_ydata()) == [level.false_positive_rate.value for level in levels]
    both, ai_alone, people_alone = plot_alone(found).axes[0].get_lines()
    for line, who in ((both, "both"), (ai_alone, "ai"), (people_alone, "human")):
        assert list(line.get_ydata()) == [level.auroc[who].value for level in levels]


def test_the_curves_on_pictures_made_alike_are_dotted_beside() -> None:
    lines = plot_rates(measured(all_alike=True)).axes[0].get_lines()
    assert [line.get_linestyle() for line in lines] == ["-", "-", ":", ":"]
    assert "JPEG 95 first" in lines[2].get_label()


def test_the_page_has_the_section_and_its_place_among_the_others(folder: Path, found: Robustness) -> None:
    page = write_page(folder).read_text()
    assert 'href="#robustness"' in page
    assert page.index('id="results"') < page.index('id="robustness"') < page.index('id="mistakes"')
    for sentence in in_words(found)[:2]:
        assert sentence.replace("'", "&#39;") in page
    row = page[page.index(">JPEG 30<") :]
    row = row[: row.index("</tr>")]
    jpeg = found.of("jpeg")[-1]
    for cell in (f">{jpeg.flips.accused}<", f">{jpeg.recall.value:.1%}<", "bias to AI, threshold"):
        assert cell in row
    assert "256 pixels of people" in page
    assert page.count("Verdicts at the same threshold: the share of AI works found") == 2  # alt and caption
    (folder / "robustness.json").unlink()
    assert 'id="robustness"' not in write_page(folder).read_text()
    assert "#robustness" not in (folder / "report.html").read_text()


def test_what_was_written_is_read_again(folder: Path, found: Robustness) -> None:
    assert read_robustness(folder) == found
    shown = section(folder)
    assert shown is not None
    assert len(shown["rows"]) == 1 + sum(len(distortion.levels) for distortion in DISTORTIONS)
    assert [name_of(level) for level in found.of("none", ALIKE)] == ["JPEG 95"]
    for name in ("robustness", "robustness_alone"):
        with Image.open(folder / "figures" / f"{name}.png") as image:
            assert image.width > 1000


@pytest.mark.parametrize(("content", "reason"), [("{", "is no JSON"), ('{"levels": [{}]}', "is not what an evaluation writes")])
def test_a_foreign_file_is_refused(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "robustness.json").write_text(content)
    with pytest.raises(ArtclfError, match=reason):
        read_robustness(tmp_path)
