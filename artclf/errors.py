"""The exception for mistakes that a user can fix, and the name that a mistyped one was meant to be."""

import difflib
from collections.abc import Iterable

USAGE_ERROR = 2  # exit code for what the user can fix
INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it


class ArtclfError(Exception):
    """Something a user can fix: bad input, an impossible setting, a missing file.

    Its message is one line for each mistake: which file or key, what was got, what is allowed, what to type. Commands print it
    without a traceback and end with exit code 2.
    """


def shown(value: object) -> str:
    """What was got, on one line: its beginning where it is long."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:100]}… ({len(text)} characters)"


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return "; did you mean …?" for the closest of the allowed names, or "" where none is close."""
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
