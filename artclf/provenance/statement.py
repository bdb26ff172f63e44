"""What a field of a file declares: which keys and values say AI, which a human or a camera, and how that is shown."""

import re
from dataclasses import dataclass

AI, HUMAN, NOTHING = "declares AI", "declares a human or camera origin", "declares nothing"
UNSIGNED = "unsigned: anybody could have written it"

MOST_SHOWN = 120  # characters of a value

# https://cv.iptc.org/newscodes/digitalsourcetype/, and C2PA's trainedAlgorithmicData; others (screenCapture …) tell no origin
_AI_TYPES = {"trainedalgorithmicmedia", "compositewithtrainedalgorithmicmedia", "compositesynthetic", "algorithmicmedia"}
_AI_TYPES |= {"trainedalgorithmicdata"}
_HUMAN_TYPES = {"digitalcapture", "computationalcapture", "compositecapture", "negativefilm", "positivefilm", "print"}
_HUMAN_TYPES |= {"humanedits", "minorhumanedits", "digitalart", "digitalcreation"}
# What generators write: the key of a text, and what its value then has to hold. The words of titles and captions don't count.
_GENERATORS = tuple(
    (re.compile(key, re.IGNORECASE), re.compile(value, re.IGNORECASE | re.DOTALL))
    for key, value in (
        # Stable Diffusion web UI and its descendants; SwarmUI; Fooocus
        ("parameters|usercomment|comment", r"\bSteps: \d+, (Sampler|Schedule type|CFG scale|Seed|Size|Model|Model hash): "),
        ("parameters|usercomment|comment", r'^\s*\{.*"(sui_image_params|base_model|base_model_hash)"'),
        ("prompt|workflow|make|model|usercomment", r'^(prompt:|workflow:)?\s*\{.*"(class_type|last_node_id|nodes)"'),
        ("invokeai_metadata|invokeai_graph|sd-metadata|fooocus_scheme|aisystemused", r"\S"),  # the last is IPTC's
        ("dream", r" -S ?\d+"),  # InvokeAI, before it had that name
        (
            "software|creatortool|credit",
            r"\b(adobe firefly|midjourney|dall[-·. ]?e\b|novelai|stable ?diffusion|comfyui|invokeai|fooocus|leonardo\.ai)"
            r"|\b(made|edited|created|generated) (with|by|using) (\w+ )?AI\b",
        ),
        ("description|imagedescription", r"\bJob ID: [0-9a-f]{8}-[0-9a-f-]{27}"),  # Midjourney
        ("aigc", r'"Label"\s*:\s*"?1\b'),  # China's mark (GB 45438-2025): 1 is "generated"
        ("alpha", "stealth_png(info|comp)"),  # in the lowest bits of alpha, down the columns: NovelAI, web UI
    )
)


@dataclass(frozen=True)
class Statement:
    """One field of a file that declares an origin."""

    declares: str  # AI or HUMAN
    field: str  # such as "PNG parameters", "EXIF Make", "C2PA digitalSourceType"
    value: str  # its beginning, printable
    signed: str = UNSIGNED  # or by whom, and whether that is trusted

    def __str__(self) -> str:
        return f"{self.field}: {self.value} ({self.signed})"


def judge(key: str, value: str) -> str | None:
    """What a field declares: AI, HUMAN, or None for nothing."""
    if key.lower() == "digitalsourcetype":
        kind = re.split("[/:]", value.strip())[-1].lower()
        return AI if kind in _AI_TYPES else HUMAN if kind in _HUMAN_TYPES else None
    if any(known.fullmatch(key) and holds.search(value) for known, holds in _GENERATORS):
        return AI
    return HUMAN if key == "Make" and re.match(r"\s*\w", value) else None


def short(value: str) -> str:
    """The beginning of a value, on one line, without what a terminal would act upon or the eye can't see."""
    text = " ".join(value[: 4 * MOST_SHOWN].split())
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
