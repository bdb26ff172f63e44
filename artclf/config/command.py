"""Command lines of train.py: what is read of one, and how one is written so that it can be pasted."""

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString

from artclf.errors import ArtclfError

RESUME_KEYS = ("resume", "resume.folder")  # as typed, and as Hydra reads it
NO_TEXT = ("true", "false", "null", "nan", "inf")  # words that Hydra reads as something else
SEARCH_KEYS = ("sweep", "pruning")


def resumed_folder(words: list[str], *, multirun: bool) -> Path | None:
    """Return the folder that `resume=FOLDER` names; None where nothing is to be resumed.

    Raises:
        ArtclfError: where more than the folder is typed.
    """
    overrides = {override.key_or_group: override for override in OverridesParser.create().parse_overrides(words)}
    folder = next((str(overrides[key].value()) for key in RESUME_KEYS if key in overrides), None)
    if folder is None:
        return None
    if multirun:
        raise ArtclfError("resume: one run at a time continues; leave -m out: python train.py resume=FOLDER")
    ours = {key: override for key, override in overrides.items() if not override.is_hydra_override()}
    others = [str(override.input_line) for key, override in ours.items() if key not in (*RESUME_KEYS, "resume.trust")]
    if others:
        raise ArtclfError(
            f"resume={folder}: a run continues as its config.yaml says; leave out {' '.join(others)}, or begin anew"
        )
    return Path(folder)


def quoted(value: str) -> str:
    """A value as Hydra reads it back as text: in quotes, with what they would end escaped, unless it is a plain word."""
    if re.fullmatch(r"[A-Za-z/_][\w./-]*", value, re.ASCII) and value.lower() not in NO_TEXT:
        return value
    return str(QuotedString(value, Quote.single).with_quotes())


def command_of(words: Iterable[str]) -> str:
    """The command line of these overrides, for a shell."""
    return shlex.join(["python", "train.py", *words])


def resume_command(run: Path) -> str:
    """What to type, in a shell, to continue a run."""
    return command_of([f"resume={quoted(str(run))}"])


def concerns_search(word: str) -> bool:
    """Whether an override concerns the search that a run is part of, and not the run."""
    return word.lstrip("+").split("=")[0] in SEARCH_KEYS
