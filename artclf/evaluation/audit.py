"""The audit of a data set: which shortcuts there are, how severe they are, and what helps against them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from artclf.evaluation import shortcuts
from artclf.evaluation.duplicates import Duplicates, find_duplicates
from artclf.evaluation.shortcuts import FEWEST, MET, SEVERITIES, TREES, Fact, FactSet
from artclf.evaluation.types import Booleans

STATISTICS = {
    "brightness": "brightness",
    "contrast": "contrast",
    "saturation": "colour saturation",
    "saturation_spread": "spread of colour saturation",
    "red": "cast of red",
    "green": "cast of green",
    "blue": "cast of blue",
}
"""Column → name, of the statistics of the whole image that are compared."""
EXIF = "EXIF"
NEAR_COPIES = "near duplicates across splits"
EXACT_COPIES = "exact duplicates across splits"
BOTH_LABELS = "the same picture under both labels"
_USUAL_QUALITY = 75  # of canonical pictures, where no JPEG says otherwise
_NO_NETWORK = "none for this network"  # the severity of what it never sees
_TRAINED_ON = ("", "train", "val", "test")

_CANONICAL = {
    "size": "every picture is scaled to one size alike, so that all have been through the same resampling "
    "(data.canonical_side, no more than {side}: three quarters of the smallest pictures' side, so that none is enlarged)",
    "aspect": "pictures are made square alike; a class of another shape loses more at its edges, which nothing but pictures "
    "of like shapes removes",
    "format": "every picture is encoded anew alike",
    "colour mode": "every picture becomes RGB and is encoded anew alike; grey pictures stay grey to look at: leave them out, "
    "or make both classes grey",
    "JPEG quality": "every picture is encoded anew at one quality (data.canonical_quality, no more than {quality}, the lowest "
    "here: coarser traces would show through)",
    "JPEG tables": "every picture is encoded anew with the same tables",
    "chroma subsampling": "every picture is encoded anew with the same sampling of colour",
    shortcuts.DENSITY: "how a file was written no longer shows; what of it comes from the picture (a smooth one compresses "
    "better) stays, and no setting removes that",
}
_COLOUR = (
    "augment=strong alters brightness, contrast and colour anew in each epoch, which weakens it; no setting removes it wholly: "
    "collect pictures of both classes with like motifs, from like sources"
)
_OTHERS = {
    EXIF: "nothing needs to be done, metadata never reaches the network; but it hints that the classes have different sources",
    NEAR_COPIES: "figures on these splits flatter: look at them, and keep one of each group, or all in one split (data=csv has "
    "a column split)",
    EXACT_COPIES: "nothing needs to be done, training leaves them out of all splits but one",
    BOTH_LABELS: "look at them, and correct the label or leave them out (data=csv): a network can't learn both",
}


def audit(
    table: pd.DataFrame,
    after: pd.DataFrame | None = None,
    *,
    canonical: Mapping[str, int] | None = None,
    seed: int = 0,
    trees: int = TREES,
) -> dict[str, Any]:
    """Find what a classifier could cheat with.

    Compared are the pictures that something is trained or tested on (splits train, val, test and unnamed ones), where these
    have both classes; of pictures that are copies of each other, one of each label; and all copies are in one fold.

    Args:
        table: a row a picture: path, label, generator, style, split; the facts of the file (`artclf.data.facts.FileFacts`);
            sha256, hash, and the columns of `STATISTICS`.
        after: [same rows] the columns of `STATISTICS` of the canonical pictures; None where they were not measured.
        canonical: side and quality of the form in which the pictures are read (data.canonical=true); None where they are read
            as they are stored.
        seed: of the folds and the forests.
        trees: of each forest.

    Returns:
        What audit.json holds: file_facts, pixel_statistics and canonical_pixel_statistics (see `FactSet.to_json`); exif, the
        one fact that no network sees; duplicates; shortcuts (fact, severity, remedy, what is typical), what does not reach the
        network last; compared, copies_left_out, splits, other_splits, folds; unjudged, why nothing was compared; makers, what
        is typical for each class and generator; canonical, whether the pictures are read in that form.
    """
    duplicates = find_duplicates(table)
    used = table["split"].isin(_TRAINED_ON).to_numpy()
    if table.loc[used, "label"].nunique() < 2:
        used = np.ones(len(table), dtype=bool)
    keys = pd.DataFrame({"group": duplicates.group, "label": table["label"].to_numpy()})
    kept = np.flatnonzero(used & ~keys[used].duplicated().reindex(keys.index, fill_value=False).to_numpy())
    rows = table.iloc[kept].reset_index(drop=True)
    is_ai = (rows["label"] == "ai").to_numpy(dtype=bool)
    unjudged = _why_not(is_ai)
    measured = {name: FactSet() for name in ("file", "pixel", "exif")}
    folds = np.empty(0, dtype=np.int64)
    if not unjudged:
        sets = {"file": shortcuts.file_facts(rows), "exif": _exif(rows), "pixel": _statistics(rows)}
        if after is not None:
            sets["canonical"] = _statistics(after.iloc[kept].reset_index(drop=True))
        folds = shortcuts.deal_folds(is_ai, duplicates.group[kept], seed)
        measured = shortcuts.measure_facts(sets, is_ai, folds, seed, trees)
    coarsest = _coarsest(rows)
    met = _met(canonical, coarsest) if canonical else set()
    of_files = replace(measured["file"], facts=tuple(replace(fact, met=fact.name in met) for fact in measured["file"].facts))
    later, exif = measured.get("canonical"), measured["exif"].facts
    seen = later if canonical and later else measured["pixel"]
    how = {"canonical": canonical is not None, **coarsest}
    found = [*_shortcuts([*of_files.facts, *seen.facts, *exif], how), *_copies(duplicates, table, how)]
    return {
        "file_facts": of_files.to_json(),
        "pixel_statistics": measured["pixel"].to_json(),
        "canonical_pixel_statistics": later.to_json() if later else None,
        "exif": exif[0].to_json() if exif else None,
        "duplicates": duplicates.to_json(),
        "shortcuts": sorted(found, key=lambda row: row["severity"] in {MET, _NO_NETWORK}),
        "compared": {label: int((is_ai == (label == "ai")).sum()) for label in ("human", "ai")},
        "copies_left_out": int(used.sum()) - len(kept),
        "splits": sorted(table["split"][used].unique().tolist()),
        "other_splits": sorted(table["split"][~used].unique().tolist()),
        "folds": len(np.unique(folds)),
        "unjudged": unjudged,
        "makers": _describe_generators(table),
        "canonical": canonical is not None,
    }


def qualities(facts: pd.DataFrame) -> pd.Series:
    """JPEG quality in words: "95", "about 95" where the tables are not exactly that quality's, "no JPEG"."""
    words = facts["jpeg_quality"].astype("string").fillna("no JPEG")
    quality: pd.Series = words.mask(~facts["quality_exact"].fillna(True).astype(bool), "about " + words)
    return quality


def kinds(facts: pd.DataFrame) -> pd.Series:
    """Format, kind of pixels and colour sampling, in words: "JPEG, RGB, 4:2:0"."""
    sampled = facts["subsampling"].notna()
    kind: pd.Series = facts["format"] + ", " + facts["mode"] + (", " + facts["subsampling"].astype(object)).where(sampled, "")
    return kind


def _why_not(is_ai: Booleans) -> str:
    """Why nothing can be compared; "" where it can."""
    counts = {"human works": int((~is_ai).sum()), "AI works": int(is_ai.sum())}
    present = [name for name, number in counts.items() if number]
    if len(present) < 2:
        return f"there are {present[0]} alone: nothing to compare them with" if present else "no picture could be read"
    short = next((f"{number} {name}" for name, number in counts.items() if number < FEWEST), None)
    return f"there are only {short} (copies count once), and at least {FEWEST} of each class are needed" if short else ""


def _coarsest(rows: pd.DataFrame) -> dict[str, int]:
    """What a canonical form has to be no finer than; of outliers, a hundredth is left aside."""
    shorter = rows[["width", "height"]].min(axis=1)
    quality = rows["jpeg_quality"].dropna()
    return {
        "side": int(0.75 * shorter.quantile(0.01)) if len(rows) else 0,
        "quality": int(quality.astype(float).quantile(0.01)) if len(quality) else _USUAL_QUALITY,
    }


def _met(form: Mapping[str, int], coarsest: Mapping[str, int]) -> set[str]:
    """The facts that a canonical form takes away: those of size where it enlarges none, those of JPEG where it is no finer."""
    sizes = {"size"} if form["side"] <= coarsest["side"] else set()
    how_stored = {"format", "JPEG quality", "JPEG tables", "chroma subsampling"}
    return sizes | (how_stored if form["quality"] <= coarsest["quality"] else set())


def _exif(rows: pd.DataFrame) -> shortcuts.Facts:
    return {EXIF: rows["exif"].map({True: "with", False: "without"})}


def _statistics(rows: pd.DataFrame) -> shortcuts.Facts:
    return {name: rows[column] for column, name in STATISTICS.items()}


def _shortcuts(facts: list[Fact], how: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is notable, the most telling first; the JPEG's tables only where they tell more than its quality."""
    known = {fact.name: fact for fact in facts if fact.notable}
    quality, tables = known.get("JPEG quality"), known.get("JPEG tables")
    if quality and tables and (tables.auroc.value or 0.0) <= (quality.auroc.value or 0.0) + 0.02:
        del known["JPEG tables"]
    order = [*(name for name, _ in SEVERITIES), "slight", MET]
    notable = sorted(known.values(), key=lambda fact: (order.index(fact.severity), -(fact.auroc.value or 0.0)))
    return [
        {
            **fact.to_json(),
            "severity": _NO_NETWORK if fact.name == EXIF else fact.severity,
            "remedy": _remedy(fact.name, **how),
        }
        for fact in notable
    ]


def _copies(duplicates: Duplicates, table: pd.DataFrame, how: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Copies that make figures flatter, or that nothing can be learnt from."""
    found = []
    held_out = int((table["split"] != "train").sum())
    for fact, copies in ((NEAR_COPIES, duplicates.near), (EXACT_COPIES, duplicates.exact)):
        if copies.test_files:
            share = copies.test_files / held_out
            severity = "severe" if share >= 0.1 else "moderate" if share >= 0.01 else "slight"
            severity = _NO_NETWORK if fact == EXACT_COPIES else severity
            found.append({"fact": fact, "severity": severity, "files": copies.test_files, "share": round(share, 6)})
    contradictory = duplicates.near.across_labels + duplicates.exact.across_labels
    if contradictory:
        found.append({"fact": BOTH_LABELS, "severity": "moderate", "groups": contradictory})
    return [{**row, "remedy": _remedy(str(row["fact"]), **how)} for row in found]


def _remedy(fact: str, *, canonical: bool, side: int, quality: int) -> str:
    """What removes a shortcut, or weakens it.

    Args:
        fact: as the audit names it.
        canonical: whether the pictures are read with data.canonical=true already.
        side: three quarters of the shorter side of the smallest pictures.
        quality: the lowest JPEG quality; 75 where there are no JPEGs.
    """
    if fact in _CANONICAL:
        how = _CANONICAL[fact].format(side=side, quality=quality)
        return f"data.canonical=true{', as this run has it' if canonical else ''}: {how}"
    return _OTHERS.get(fact, _COLOUR)


def _describe_generators(table: pd.DataFrame) -> list[dict[str, Any]]:
    """What is typical for each class and generator: human images first, then the generators by number of pictures."""
    rows = []
    for (label, generator), part in table.groupby(["label", "generator"]):
        rows.append(
            {
                "label": label,
                "generator": generator,
                "pictures": len(part),
                "size": shortcuts.commonest(part["width"].astype(str) + "×" + part["height"].astype(str)),
                "aspect": f"{(part['width'] / part['height']).median():.2f}",
                "bytes per pixel": f"{shortcuts.bytes_per_pixel(part).median():.2f}",
                "stored as": shortcuts.commonest(kinds(part)),
                "JPEG quality": shortcuts.commonest(qualities(part)),
                "JPEG tables": shortcuts.commonest(part["tables"].astype(object).fillna("none")),
                "EXIF": f"{part['exif'].mean():.0%}",
                "colour saturation": f"{part['saturation'].median():.2f}",
                "brightness": f"{part['brightness'].median():.2f}",
                "contrast": f"{part['contrast'].median():.2f}",
            }
        )
    return sorted(rows, key=lambda row: (row["label"] != "human", -row["pictures"], row["generator"]))
