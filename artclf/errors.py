"""What ends a command, its exit code and its last lines; and the name that a mistyped one was meant to be."""

import difflib
import errno
import io
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn

NOT_READ = 1  # exit code where nobody reads the output any more (`| head`); commands also use it for unreadable images
USAGE_ERROR = 2  # exit code for what the user can fix
INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it
TERMINATED = 143  # exit code after SIGTERM, so too
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_terminated = threading.Event()  # set by SIGTERM

# What splits lines or can't be written as UTF-8: control characters, and (as surrogates) bytes of names that are not UTF-8.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# of JSON too, in which a folder ends with its string
_FOLDERS = re.compile(r"""(?<![\w.:/\\])(?:/(?:[^/\s"]+/)+|[A-Za-z]:(?:\\+[^\\\s"]+)*\\+)""")


class ArtclfError(Exception):
    """Something a user can fix: bad input, an impossible setting, a missing file.

    Its message is one line for each mistake: which file or key, what was got, what is allowed, what to type. Commands print it
    without a traceback and end with exit code 2.
    """


def shown(value: object) -> str:
    """What was got, on one line: its beginning where it is long."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:100]}… ({len(text)} characters)"


def reason_of(error: object) -> str:
    """What an exception of a library says, on one line; its type where it says nothing."""
    text = " ".join(str(error).split())[:300].rstrip(".")
    bare = not text or isinstance(error, LookupError)  # whose text is the key alone
    return ": ".join(filter(None, (type(error).__name__ if bare else "", text)))


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


def plain_name(name: str) -> str:
    """A name for a new file: its letters, digits and dots, and no more than file systems take."""
    return re.sub(r"[^\w.-]+", "_", name).encode()[-200:].decode(errors="ignore")


def plain_cell(path: str) -> str:
    """A path for a table: printable, with ./ in front where a spreadsheet would take it for a formula (=, +, -, @)."""
    path = printable(path)
    return path if re.match(r"[\w/\\.]", path) else f"./{path}"


@contextmanager
def needing(what: str, install: str) -> Iterator[None]:
    """Import what an extra brings: an ArtclfError names a package that is not installed, and what to type."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        raise ArtclfError(f"{what} needs {package}, which is not installed; type {install}") from error


def without_folders(text: str) -> str:
    """A text for others to read: of absolute paths the last name alone is left."""
    return _FOLDERS.sub("", text)


class Terminated(KeyboardInterrupt):
    """SIGTERM was received; libraries clean up as after Ctrl-C."""


@dataclass(frozen=True)
class Ending:
    """How a command ends: its exit code, and a line for each mistake ("" where nobody reads it)."""

    code: int
    message: str


def ending(error: BaseException, elsewhere: str) -> Ending | None:
    """How a command ends after a signal, or after an error of the user or the machine. None: it is a bug, or no error.

    `elsewhere` is what to type to write to another folder.
    """
    if _terminated.is_set():
        return Ending(TERMINATED, "terminated")
    if any(isinstance(cause, KeyboardInterrupt) for cause in _chain(error)):  # libraries raise errors while they clean up
        return Ending(INTERRUPTED, "interrupted")
    if isinstance(error, BrokenPipeError) and not _can_print("\n"):
        return Ending(NOT_READ, "")
    if isinstance(error, ModuleNotFoundError) and error.name in {"torch", "torchvision", "lightning"}:
        line = f"{error.name} is not installed; without it, artclf predicts with an .onnx file alone; type pip install artclf"
        return Ending(USAGE_ERROR, line)
    message = _message(error, elsewhere)
    return None if message is None else Ending(USAGE_ERROR, "\n".join(map(printable, message.splitlines())))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _message(error: BaseException, elsewhere: str) -> str | None:
    text = str(error)
    if "Original Traceback (most recent call last)" in text:  # of a DataLoader's process: its last line names the error
        text = text.strip().splitlines()[-1].partition(": ")[2]
    first = (text.splitlines() or [""])[0]
    if isinstance(error, (ArtclfError, *_composing_errors())):
        return text
    if isinstance(error, OSError):
        return _system_error(error, first, elsewhere)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's
        return f"the memory is full ({first}); a smaller data.batch_size, image size or number of workers needs less"
    if isinstance(error, RuntimeError) and text.startswith("DataLoader worker"):
        return f"the system has ended a process that decodes images ({first}); is the memory full? try data.num_workers=0"
    if isinstance(error, RuntimeError) and text.startswith("Symlink loop"):  # Path.resolve's, before Python 3.13
        return f"{first}: the link leads to itself; remove it"
    return None


def _composing_errors() -> tuple[type[BaseException], ...]:
    """What Hydra raises while it composes; nothing where it is not loaded."""
    named = (("hydra.errors", "HydraException"), ("omegaconf.errors", "OmegaConfBaseException"))
    return tuple(getattr(sys.modules[module], name) for module, name in named if module in sys.modules)


def _system_error(error: OSError, text: str, elsewhere: str) -> str:
    """The line for what the system refused: the file, where it is known, the reason, and what to do."""
    place = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    if error.errno is None:  # a library raised it
        return f"{place}{text or type(error).__name__}"
    reason = (error.strerror or text).lower()
    if error.errno in _DISK_FULL:
        return f"{place}{reason}; make room on the disk (artclf cache clear helps), or type {elsewhere} on another one"
    return f"{place}{reason}; mend that (is it there, with the right to read and write it?), or type {elsewhere}"


def raise_on_sigterm() -> Callable[[], None]:
    """Let SIGTERM raise `Terminated`, unless something else handles it; return what restores the default."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL or threading.current_thread() is not threading.main_thread():
        return lambda: None
    hook = sys.unraisablehook

    def stop(number: int, frame: Any) -> NoReturn:  # noqa: ARG001
        _terminated.set()
        sys.unraisablehook = lambda _: None  # destructors may fail now: the processes that they wait for are killed too
        raise Terminated

    def restore() -> None:
        _terminated.clear()
        sys.unraisablehook = hook
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, stop)
    return restore


def raise_if_terminated() -> None:
    """Raise `Terminated` after a SIGTERM: Python discards the exception where the signal comes during a destructor."""
    if _terminated.is_set():
        raise Terminated


@contextmanager
def boundary(elsewhere: str) -> Iterator[None]:
    """What a whole command runs in: errors that are no bugs become lines on stderr and an exit code.

    Output in an encoding that lacks a letter has it escaped, and a log line that can't be written (a full disk) is lost
    without a traceback. SystemExit with the code of `ending`; bugs go through.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    log_errors, logging.raiseExceptions = logging.raiseExceptions, False
    restore = raise_on_sigterm()
    try:
        yield
        sys.stdout.flush()
    except SystemExit:
        raise
    except BaseException as error:
        end = ending(error, elsewhere)
        if end is None:
            raise
        _print_last(end.message)
        raise SystemExit(end.code) from error
    finally:
        logging.raiseExceptions = log_errors
        restore()


def _print_last(message: str) -> None:
    """Print the last lines on stderr. What a closed pipe or a full disk doesn't take of stdout is thrown away."""
    with suppress(OSError):
        for line in message.splitlines():
            print(line if line in {"interrupted", "terminated"} else f"error: {line}", file=sys.stderr)  # noqa: T201
    if not _can_print(""):
        with suppress(OSError, ValueError):  # a test's stand-in is no file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _can_print(text: str) -> bool:
    """Whether stdout takes this text and what is in its buffer."""
    try:
        print(text, end="", flush=True)  # noqa: T201
    except OSError:
        return False
    return True
