"""The audit of a data set: which shortcuts there are, and how severe they are."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from artclf.data.canonical import Canonical
from artclf.data.facts import Survey
from artclf.evaluation.duplicates import find_duplicates
from artclf.evaluation.shortcuts import (
    DENSITY,
    FEWEST,
    FIGURES,
    SEVERITIES,
    Fact,
    assign_folds,
    bytes_per_pixel,
    commonest,
    file_facts,
    measure_facts,
)

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
MET = "met by the canonical form"  # the severity of what the canonical form removes before the network sees an image
EXIF, DECLARED = "EXIF", "declared origin"
NEAR_COPIES = "near duplicates across splits"
EXACT_COPIES = "exact duplicates across splits"
BOTH_LABELS = "the same image under both labels"
_USUAL_QUALITY = 75  # of canonical images, where no JPEG says otherwise
_NO_NETWORK = "none for this network"  # the severity of what it never sees
_ORDER = [*SEVERITIES, MET, _NO_NETWORK]
_TRAINED_ON = ("", "train", "val", "test")
_NOT_MEASURED: dict[str, Any] = {"p": 1.0, "notable": False, "top": [], **dict.fromkeys(FIGURES)}


def audit_survey(survey: Survey, seed: int = 0, canonical: Canonical | None = None) -> dict[str, Any]:
    """Audit images that were decoded, all of them or a random sample: the content of audit.json. Arguments as for `audit`."""
    total = len(survey.manifest.table)
    return {
        **audit(pd.concat([survey.facts, survey.measured], axis=1), survey.canonical, canonical=canonical, seed=seed),
        "images": total,
        "drawn_of": total if survey.opened < total else None,
        "unreadable": len(survey.unreadable),
        "seed": seed,
        "manifest_sha256": survey.manifest.sha256,
    }


def audit(
    table: pd.DataFrame, after: pd.DataFrame | None = None, *, canonical: Canonical | None = None, seed: int = 0
) -> dict[str, Any]:
    """Find what a classifier could cheat with.

    Compared are the images of the splits train, val, test and unnamed ones, where these have both classes. Of images that are
    copies of each other, one of each label is compared, and all copies are in one fold.

    Args:
        table: a row an image: path, label, generator, style, split; the facts of the file (`artclf.data.facts.FileFacts`);
            sha256, hash, declared (what the file declares about its origin), and the columns of `STATISTICS`.
        after: with the same index, the columns of `STATISTICS` of the canonical images; None where they were not measured.
        canonical: the form in which a network is shown the images; None where that is as they are stored.
        seed: of the folds and the forests.

    Returns:
        What audit.json holds. Of its shortcuts, what does not reach the network is last; not_compared is why nothing was
        compared; canonical_limits are the side and quality up to which a canonical form hides differences.
    """
    duplicates, group = find_duplicates(table)
    used = table["split"].isin(_TRAINED_ON)
    if table.loc[used, "label"].nunique() < 2:
        used[:] = True
    kept = used & ~table[["label"]].assign(group=group, used=used).duplicated()
    rows, is_ai = table[kept], (table.loc[kept, "label"] == "ai").to_numpy(dtype=bool)
    n_ai, n_human = int(is_ai.sum()), int((~is_ai).sum())
    measured, folds, not_compared = dict.fromkeys(("file", "metadata", "pixel"), _NOT_MEASURED), 0, ""
    if min(n_ai, n_human) < FEWEST:
        not_compared = f"of {n_human} human and {n_ai} AI images (copies count once), at least {FEWEST} each are needed"
    else:
        fold = assign_folds(is_ai, group[kept], seed)
        measured, folds = measure_facts(_fact_sets(rows, after), is_ai, fold, seed), len(np.unique(fold))
    limits = _canonical_limits(rows)
    removed = _removed_by(canonical, limits) if canonical else set()
    for fact in measured["file"]["top"]:
        if fact["fact"] in removed and fact["severity"] != "none":
            fact["severity"] = MET
    later, metadata = measured.get("canonical"), measured["metadata"]["top"]
    seen = later if canonical and later else measured["pixel"]
    unseen = [{**fact, "severity": _NO_NETWORK} for fact in metadata if fact["severity"] != "none"]
    found = [*_notable([*measured["file"]["top"], *seen["top"]]), *unseen, *_copies(duplicates, table)]
    return {
        "file_facts": measured["file"],
        "pixel_statistics": measured["pixel"],
        "canonical_pixel_statistics": later,
        "metadata": metadata,
        "duplicates": duplicates,
        "shortcuts": sorted(found, key=lambda row: (_ORDER.index(row["severity"]), -row.get("auroc", 0.0))),
        "compared": {"human": n_human, "ai": n_ai},
        "not_compared": not_compared,
        "copies_left_out": int(used.sum()) - len(rows),
        "splits": sorted(table["split"][used].unique()),
        "other_splits": sorted(table["split"][~used].unique()),
        "folds": folds,
        "generators": describe_generators(table),
        "canonical": canonical is not None,
        "canonical_limits": limits,
    }


def describe_generators(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Describe what is typical of each class and generator: the commonest value and its share, or the median.

    Human images come first, then the generators by their number of images.

    Args:
        table: as `audit`'s; the columns of `STATISTICS` may be missing.
    """
    if table.empty:
        return []
    exact, sampled = table["quality_exact"].fillna(True).astype(bool), table["subsampling"].notna()
    quality = table["jpeg_quality"].astype("string").fillna("no JPEG")
    text = {
        "size": table["width"].astype(str) + "×" + table["height"].astype(str),
        "stored as": table["format"] + ", " + table["mode"] + (", " + table["subsampling"].astype(object)).where(sampled, ""),
        "JPEG quality": quality.where(exact, "about " + quality),  # about: the tables are not exactly those of that quality
        "JPEG tables": table["tables"].astype(object).fillna("none"),
    }
    numbers = {"aspect": table["width"] / table["height"], DENSITY: bytes_per_pixel(table)}
    numbers |= {name: table[column] for column, name in STATISTICS.items() if column in table}
    keys = ["label", "generator"]
    described = pd.DataFrame({**table[keys], **text}).groupby(keys).agg(commonest)
    medians = pd.DataFrame({**table[keys], **numbers}).groupby(keys).median()
    described = described.join(medians.map("{:.2f}".format))
    described[EXIF] = table.groupby(keys)["exif"].mean().map("{:.0%}".format)
    described["images"] = table.groupby(keys).size()
    order = ["label", "images", "generator"]
    records = described.reset_index().sort_values(order, ascending=[False, False, True]).to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in records]


def _fact_sets(rows: pd.DataFrame, after: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    metadata = pd.DataFrame({EXIF: rows["exif"].map({True: "with", False: "without"}), DECLARED: rows["declared"]})
    statistics = {"pixel": rows} if after is None else {"pixel": rows, "canonical": after.loc[rows.index]}
    statistics = {name: table[list(STATISTICS)].rename(columns=STATISTICS) for name, table in statistics.items()}
    return {"file": file_facts(rows), "metadata": metadata, **statistics}


def _canonical_limits(rows: pd.DataFrame) -> dict[str, int]:
    """The largest side and the finest quality of a canonical form that hides the differences; a hundredth of images aside."""
    shorter, quality = rows[["width", "height"]].min(axis=1), rows["jpeg_quality"].dropna().astype(float)
    return {
        "side": int(0.75 * shorter.quantile(0.01)) if len(rows) else 0,
        "quality": int(quality.quantile(0.01)) if len(quality) else _USUAL_QUALITY,
    }


def _removed_by(form: Canonical, limits: Mapping[str, int]) -> set[str]:
    """The facts that a canonical form removes: size where it enlarges no image, those of encoding where it is no finer."""
    size = {"size"} if form.side <= limits["side"] else set()
    encoding = {"format", "JPEG quality", "JPEG tables", "chroma subsampling"}
    return size | (encoding if form.quality <= limits["quality"] else set())


def _notable(facts: list[Fact]) -> list[Fact]:
    """Facts that are more than chance; JPEG tables only where they separate the classes better than the quality."""
    known = {fact["fact"]: fact for fact in facts if fact["severity"] != "none"}
    quality, tables = known.get("JPEG quality"), known.get("JPEG tables")
    if quality and tables and tables["auroc"] <= quality["auroc"] + 0.02:
        del known["JPEG tables"]
    return list(known.values())


def _copies(duplicates: Mapping[str, Any], table: pd.DataFrame) -> list[dict[str, Any]]:
    """Copies in train of images outside of it, which make figures too good, and copies under both labels."""
    near, exact = (duplicates[kind]["test_files"] for kind in ("near", "exact"))
    held_out = max(int((table["split"] != "train").sum()), 1)
    severity = "severe" if near / held_out >= 0.1 else "moderate" if near / held_out >= 0.01 else "slight"
    contradictory = duplicates["near"]["across_labels"] + duplicates["exact"]["across_labels"]
    found = [
        {"fact": NEAR_COPIES, "severity": severity, "files": near, "share": near / held_out},
        {"fact": EXACT_COPIES, "severity": _NO_NETWORK, "files": exact, "share": exact / held_out},
        {"fact": BOTH_LABELS, "severity": "moderate", "groups": contradictory},
    ]
    return [row for row in found if row.get("files") or row.get("groups")]
