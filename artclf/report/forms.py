"""Figures of the same pictures as they are stored and in canonical form, side by side."""

from collections.abc import Mapping
from typing import Any

from artclf.evaluation.significance import LEVEL
from artclf.report import format as fmt

ROWS = {
    "auroc": "AUROC",
    "balanced_accuracy": "balanced accuracy",
    "false_positive_rate": "human works called AI",
    "recall": "AI works found",
}


def forms_section(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """Prepare what the page tells of both forms.

    Args:
        metrics: metrics.json; `forms` is what `artclf.evaluation.robustness.compare_forms` computed.

    Returns:
        sentences, and rows: name, and for each form the value and its range in words; None where nothing was compared.
    """
    forms = metrics.get("forms")
    if not forms:
        return None
    rows = []
    for key, name in ROWS.items():
        said, of = (fmt.score, fmt.score_range) if key == "auroc" else (fmt.share, fmt.share_range)
        cells = [forms[form][key] for form in ("as_stored", "canonical")]
        rows.append({"name": name, "cells": [("–", "") if cell is None else (said(cell[0]), of(cell[1:])) for cell in cells]})
    return {"sentences": forms_in_words(forms), "rows": rows}


def forms_in_words(forms: Mapping[str, Any]) -> list[str]:
    """Say which form the network was trained on, what the other one costs, and how many verdicts it turns."""
    form = forms["form"]
    number = forms["n_ai"] + forms["n_human"]
    canonical = f"scaled to {form['side']} pixels and encoded as JPEG of quality {form['quality']}"
    trained = "canonical pictures" if forms["trained_on"] == "canonical" else "pictures as they are stored"
    first = (
        f"The network was trained on {trained}. Here it judges {fmt.plural(number, 'test picture')} twice: as they are "
        f"stored, and in canonical form ({canonical}, every one alike), in which what a file's history has left is much the "
        "same for all."
    )
    sentences = [first]
    if forms["auroc_lost"] is not None:
        lost, low, high = forms["auroc_lost"]
        change = f"{lost:+.3f} (95% interval {low:+.3f} to {high:+.3f})".replace("-", "−")
        if low <= 0 <= high:
            meaning = "no more than chance explains on so many works, though as much as the interval spans can be there"
        elif (lost > 0) == (forms["trained_on"] == "as_stored"):
            meaning = (
                "it judges better in the form that it knows. That may be how files were stored, or that it is not used to the "
                "other form: python train.py -m data.canonical=false,true trains on both and tells them apart"
            )
        else:
            meaning = "it judges better in the form that it was not trained on"
        sentences.append(f"AUROC as stored minus canonical: {change}; {meaning}.")
    flips = forms["flips"]
    human, ai = flips["human"], flips["ai"]
    sentences.append(
        f"Verdicts that turn from as stored to canonical: of {fmt.plural(forms['n_human'], 'human work')} "
        f"{human['to_ai']} to AI and {human['to_human']} to human, of {fmt.plural(forms['n_ai'], 'AI work')} "
        f"{ai['to_ai']} to AI and {ai['to_human']} to human."
    )
    for label, name in (("human", "human"), ("ai", "AI")):
        turned = flips[label]
        if turned["p"] < LEVEL:
            way = "AI" if turned["to_ai"] > turned["to_human"] else "human"
            p = f"p {'' if turned['p'] < 0.001 else '= '}{fmt.p_value(turned['p'])}"
            sentences.append(
                f"More {name} works are called {way} in canonical form than chance explains (McNemar's exact test, {p}): the "
                "threshold does not carry over, whatever the order of the scores does. It is to be set on pictures stored like "
                "those that are judged (artclf calibrate)."
            )
    return sentences
