"""What a run reports of itself: stages whose weights were not tested, and what its validation does not cover."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.conftest import FAST, Outcome, draw


def test_a_stage_thrown_away_and_a_validation_of_one_style_are_reported(train: Callable[..., Outcome], tmp_path: Path) -> None:
    for label in ("ai", "human"):
        for number in range(8):
            for split, styles in (("train", ("ink", "oil")), ("val", ("ink",)), ("test", ("ink",))):
                for place, style in enumerate(styles):
                    inside = ("sd", style) if label == "ai" else (style,)
                    file = tmp_path.joinpath("art", split, label, *inside, f"{number}.png")
                    draw(file, label, 1000 * len(split) + 100 * place + number)
    words = [*FAST, "data=folder", f"data.root={tmp_path / 'art'}", "+finetune=all", "stages.head.max_epochs=1"]
    done = train(*words, "stages.all.max_epochs=1", "stages.all.optim.lr=0.9", f"hydra.run.dir={tmp_path / 'run'}")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["best"]["stage"] == "head"
    (line,) = done.lines("Stage all took")
    scores = [f"{stage['score']:.4g}" for stage in metrics["stages"]]
    assert f"thrown away: it scored val/loss {scores[1]}, and the weights of stage head ({scores[0]}) were tested." in line
    lacks = "validation lacks human images of 1 of 2 styles (oil), and AI images of 1 of 2 styles (oil) that training has"
    assert any(fallback.startswith(lacks) for fallback in metrics["fallbacks"])
    assert done.lines(f"warning: {lacks}")
    assert done.lines("Verdicts on test: of 8 human images")
