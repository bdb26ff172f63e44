"""What a classifier could cheat with: how far the files alone, and the pictures' overall looks alone, give the classes away.

What a small classifier reaches on facts of the files, and on statistics of the whole picture, the data gives away for free: a
network is to be judged against that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from artclf.evaluation import remedies
from artclf.evaluation.duplicates import Duplicates, find_duplicates
from artclf.evaluation.giveaways import MET, SEVERITIES, TREES, Fact, Facts, Giveaway, deal_folds, weigh
from artclf.evaluation.intervals import UNDEFINED
from artclf.evaluation.shortcuts import bytes_per_pixel, commonest, kinds, qualities
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
"""Column → name, of the statistics of the whole picture that are judged."""

_FEWEST = 5  # works of each class below which nothing is judged
_USUAL_QUALITY = 75  # of canonical pictures, where no JPEG says otherwise
_NO_NETWORK = "none for this network"  # the severity of what it never sees
_TRAINED_ON = ("", "train", "val", "test")


@dataclass(frozen=True)
class Audit:
    """What a classifier could cheat with.

    Attributes:
        file_facts: on what is known of a file without its pixels.
        pixel_statistics: on statistics of the whole picture.
        canonical: the same on canonical pictures; None where these were not measured.
        exif: the one fact that no network sees; None where there is nothing to compare.
        duplicates: copies among all pictures.
        shortcuts: fact, severity, remedy and what is typical, the most severe first; last what does not reach the network.
        compared: how many human and AI works were compared.
        left_out: copies of others that were not.
        splits: the splits that they are of.
        other_splits: the splits whose pictures are not compared, since nothing is trained on them.
        folds: of the cross-validation; 0 where nothing was judged.
        unjudged: why nothing was; "" where it was.
        makers: what is typical for each class and generator, a row each.
        read_canonical: whether the pictures are read with data.canonical=true.
    """

    file_facts: Giveaway
    pixel_statistics: Giveaway
    canonical: Giveaway | None
    exif: Fact | None
    duplicates: Duplicates
    shortcuts: list[dict[str, Any]]
    compared: dict[str, int]
    left_out: int
    splits: list[str]
    other_splits: list[str]
    folds: int
    unjudged: str
    makers: list[dict[str, Any]]
    read_canonical: bool

    def to_json(self) -> dict[str, Any]:
        """As plain values, for audit.json."""
        return {
            "file_facts": self.file_facts.to_json(),
            "pixel_statistics": self.pixel_statistics.to_json(),
            "canonical_pixel_statistics": self.canonical.to_json() if self.canonical else None,
            "exif": self.exif.to_json() if self.exif else None,
            "duplicates": self.duplicates.to_json(),
            "shortcuts": self.shortcuts,
            "compared": self.compared,
            "copies_left_out": self.left_out,
            "splits": self.splits,
            "other_splits": self.other_splits,
            "folds": self.folds,
            "unjudged": self.unjudged,
            "makers": self.makers,
            "canonical": self.read_canonical,
        }


def audit(
    table: pd.DataFrame,
    after: pd.DataFrame | None = None,
    *,
    canonical: Mapping[str, int] | None = None,
    seed: int = 0,
    trees: int = TREES,
) -> Audit:
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
    """
    duplicates = find_duplicates(table)
    used = table["split"].isin(_TRAINED_ON).to_numpy()
    if table.loc[used, "label"].nunique() < 2:
        used = np.ones(len(table), dtype=bool)
    keys = pd.DataFrame({"group": duplicates.group, "label": table["label"].to_numpy()})
    kept = np.flatnonzero(used & ~keys[used].duplicated().reindex(keys.index, fill_value=False).to_numpy())
    rows = table.iloc[kept].reset_index(drop=True)
    is_ai = (rows["label"] == "ai").to_numpy(dtype=bool)
    folds = deal_folds(is_ai, duplicates.group[kept], seed)
    unjudged = _why_not(is_ai, int(folds.max(initial=-1)) + 1)
    weighed = {name: Giveaway(UNDEFINED, UNDEFINED, UNDEFINED, 1.0, []) for name in ("file", "pixel")}
    exif: list[Fact] = []
    if not unjudged:
        sets = {"file": _file_facts(rows), "exif": _exif(rows), "pixel": _statistics(rows)}
        if after is not None:
            sets["canonical"] = _statistics(after.iloc[kept].reset_index(drop=True))
        weighed = weigh(sets, is_ai, folds, seed, trees)
        exif = weighed.pop("exif").facts
    coarsest = _coarsest(rows)
    met = _met(canonical, coarsest) if canonical else set()
    of_files = replace(weighed["file"], facts=[replace(fact, met=fact.name in met) for fact in weighed["file"].facts])
    later = weighed.get("canonical")
    seen = later if canonical and later else weighed["pixel"]
    how = {"canonical": canonical is not None, **coarsest}
    shortcuts = [*_shortcuts([*of_files.facts, *seen.facts, *exif], how), *_copies(duplicates, table, how)]
    return Audit(
        file_facts=of_files,
        pixel_statistics=weighed["pixel"],
        canonical=later,
        exif=exif[0] if exif else None,
        duplicates=duplicates,
        shortcuts=sorted(shortcuts, key=lambda row: row["severity"] in {MET, _NO_NETWORK}),
        compared={label: int((is_ai == (label == "ai")).sum()) for label in ("human", "ai")},
        left_out=int(used.sum()) - len(kept),
        splits=sorted(table["split"][used].unique().tolist()),
        other_splits=sorted(table["split"][~used].unique().tolist()),
        folds=0 if unjudged else int(folds.max()) + 1,
        unjudged=unjudged,
        makers=describe_makers(table),
        read_canonical=canonical is not None,
    )


def _why_not(is_ai: Booleans, folds: int) -> str:
    """Why nothing can be judged; "" where it can."""
    counts = {"human works": int((~is_ai).sum()), "AI works": int(is_ai.sum())}
    for name, number in counts.items():
        if number == 0:
            other = next(other for other in counts if other != name)
            return f"there are {other} alone: nothing to compare them with" if counts[other] else "no picture could be read"
    short = next((f"{number} {name}" for name, number in counts.items() if number < _FEWEST), None)
    if short is None and folds < 2:
        short = "copies of one picture"
    return f"there are only {short} (copies count once), and at least {_FEWEST} of each class are needed" if short else ""


def _file_facts(rows: pd.DataFrame) -> Facts:
    """What is known of a file without its pixels; not EXIF, which no network sees."""
    across, down = rows["width"], rows["height"]
    quality = rows["jpeg_quality"].astype("Float64").fillna(-1.0).astype(float)  # "no JPEG", below all that there are
    return {
        "size": ((across * down) ** 0.5, False),
        "aspect": (across / down, False),
        "bytes per pixel": (bytes_per_pixel(rows), False),
        "format": (rows["format"], True),
        "colour mode": (rows["mode"], True),
        "JPEG quality": (quality, False),
        "JPEG tables": (rows["tables"].astype(object).fillna("none"), True),
        "chroma subsampling": (rows["subsampling"].astype(object).fillna("none"), True),
    }


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


def _exif(rows: pd.DataFrame) -> Facts:
    return {remedies.EXIF: (rows["exif"].map({True: "with", False: "without"}), True)}


def _statistics(rows: pd.DataFrame) -> Facts:
    return {name: (rows[column], False) for column, name in STATISTICS.items()}


def _shortcuts(facts: list[Fact], how: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is notable, the most telling first; the JPEG's tables only where they tell more than its quality."""
    known = {fact.name: fact for fact in facts}
    quality = known.get("JPEG quality")
    if quality and quality.notable and (known["JPEG tables"].auroc.value or 0.0) <= (quality.auroc.value or 0.0) + 0.02:
        del known["JPEG tables"]
    order = [word for word, _ in SEVERITIES]
    notable = sorted(
        (fact for fact in known.values() if fact.notable),
        key=lambda fact: (order.index(fact.severity) if fact.severity in order else len(order), -(fact.auroc.value or 0.0)),
    )
    return [
        {
            **fact.to_json(),
            "severity": _NO_NETWORK if fact.name == remedies.EXIF else fact.severity,
            "remedy": remedies.remedy(fact.name, **how),
        }
        for fact in notable
    ]


def _copies(duplicates: Duplicates, table: pd.DataFrame, how: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Copies that make figures flatter, or that nothing can be learnt from."""
    found = []
    held_out = int((table["split"] != "train").sum())
    for fact, copies in ((remedies.NEAR_COPIES, duplicates.near), (remedies.EXACT_COPIES, duplicates.exact)):
        if copies.test_files:
            share = copies.test_files / held_out
            severity = "severe" if share >= 0.1 else "moderate" if share >= 0.01 else "slight"
            severity = _NO_NETWORK if fact == remedies.EXACT_COPIES else severity
            found.append({"fact": fact, "severity": severity, "files": copies.test_files, "share": round(share, 6)})
    contradictory = duplicates.near.across_labels + duplicates.exact.across_labels
    if contradictory:
        found.append({"fact": remedies.BOTH_LABELS, "severity": "moderate", "groups": contradictory})
    return [{**row, "remedy": remedies.remedy(str(row["fact"]), **how)} for row in found]


def describe_makers(table: pd.DataFrame) -> list[dict[str, Any]]:
    """What is typical for each class and generator: people first, then the generators by number of pictures."""
    rows = []
    for (label, generator), part in table.groupby(["label", "generator"]):
        rows.append(
            {
                "label": label,
                "generator": generator,
                "pictures": len(part),
                "size": commonest(part["width"].astype(str) + "×" + part["height"].astype(str)),
                "aspect": f"{(part['width'] / part['height']).median():.2f}",
                "bytes per pixel": f"{bytes_per_pixel(part).median():.2f}",
                "stored as": commonest(kinds(part)),
                "JPEG quality": commonest(qualities(part)),
                "JPEG tables": commonest(part["tables"].astype(object).fillna("none")),
                "EXIF": f"{part['exif'].mean():.0%}",
                "colour saturation": f"{part['saturation'].median():.2f}",
                "brightness": f"{part['brightness'].median():.2f}",
                "contrast": f"{part['contrast'].median():.2f}",
            }
        )
    return sorted(rows, key=lambda row: (row["label"] != "human", -row["pictures"], row["generator"]))
