"""What can be done about a shortcut, in settings that there are. What no setting removes is told as well."""

DENSITY = "bytes per pixel"
EXIF = "EXIF"
NEAR_COPIES = "near duplicates across splits"
EXACT_COPIES = "exact duplicates across splits"
BOTH_LABELS = "the same picture under both labels"

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
    DENSITY: "how a file was written no longer shows; what of it comes from the picture (a smooth one compresses better) "
    "stays, and no setting removes that",
}
_COLOUR = (
    "augment=strong alters brightness, contrast and colour anew in each epoch, which weakens it; no setting removes it wholly: "
    "collect pictures of both classes with like motifs, from like sources"
)
_COPIES = {
    EXIF: "nothing needs to be done, metadata never reaches the network; but it hints that the classes have different sources",
    NEAR_COPIES: "figures on these splits flatter: look at them, and keep one of each group, or all in one split (data=csv has "
    "a column split)",
    EXACT_COPIES: "nothing needs to be done, training leaves them out of all splits but one",
    BOTH_LABELS: "look at them, and correct the label or leave them out (data=csv): a network can't learn both",
}


def remedy(fact: str, *, canonical: bool, side: int, quality: int) -> str:
    """What removes a shortcut, or weakens it.

    Args:
        fact: as the audit names it.
        canonical: whether the pictures are read with data.canonical=true already.
        side: three quarters of the shorter side of the smallest pictures.
        quality: the lowest JPEG quality; 75 where there are no JPEGs.
    """
    if fact in _COPIES:
        return _COPIES[fact]
    if fact in _CANONICAL:
        how = _CANONICAL[fact].format(side=side, quality=quality)
        return f"data.canonical=true{', as this run has it' if canonical else ''}: {how}"
    return _COLOUR
