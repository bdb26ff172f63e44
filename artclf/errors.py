"""The exception for mistakes that a user can fix, and the name that a mistyped one was meant to be."""

import difflib
import re
from collections.abc import Iterable

USAGE_ERROR = 2  # exit code for what the user can fix
INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it

# What splits lines or can't be written as UTF-8: control characters, and (as surrogates) bytes of names that are not UTF-8.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


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


def is_printable(name: str) -> bool:
    """Whether a name stays on its line and can be written as UTF-8."""
    return _UNPRINTABLE.search(name) is None


def printable(name: str) -> str:
    """A name with what is not printable escaped, bytes as they are typed in a shell's $'…'."""

    def escaped(found: re.Match[str]) -> str:
        code = ord(found[0])
        return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else found[0].encode("unicode_escape").decode()

    return _UNPRINTABLE.sub(escaped, name)
