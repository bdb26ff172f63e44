"""What ends a command, its exit code and its last lines; and the name that a mistyped one was meant to be."""

import difflib
import errno
import io
import logging
import os
import re
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn

NOT_READ = 1  # exit code where nobody reads the output any more (`| head`); commands also have it for images that can't be read
USAGE_ERROR = 2  # exit code for what the user can fix
INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it
TERMINATED = 143  # exit code after SIGTERM, so too
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WORKER = "DataLoader worker"  # how torch begins to say that the system has ended one
_lost: list[KeyboardInterrupt] = []  # interruptions that Python has discarded

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


class Terminated(KeyboardInterrupt):
    """SIGTERM has come; libraries clean up as after Ctrl-C."""


@dataclass(frozen=True)
class Ending:
    """How a command ends: its exit code, and a line for each mistake ("" where nobody reads it)."""

    code: int
    message: str


def ending(error: BaseException, elsewhere: str) -> Ending | None:
    """How a command ends after an error that the user or the machine has made, or a signal. None: it is a bug, or no error.

    Args:
        error: what was raised.
        elsewhere: what to type to write to another folder.
    """
    stopped = [cause for cause in (*_lost, *_chain(error)) if isinstance(cause, KeyboardInterrupt)]
    if any(isinstance(cause, Terminated) for cause in stopped):
        return Ending(TERMINATED, "terminated")
    if stopped:
        return Ending(INTERRUPTED, "interrupted")
    if isinstance(error, BrokenPipeError) and not _is_read(sys.stdout):
        return Ending(NOT_READ, "")
    message = _message(error, elsewhere)
    return None if message is None else Ending(USAGE_ERROR, message)


def _message(error: BaseException, elsewhere: str) -> str | None:
    said = str(error)
    if "Original Traceback (most recent call last)" in said:  # of a DataLoader's process: its last line names the error
        said = said.strip().splitlines()[-1].partition(": ")[2]
    first = (said.splitlines() or [""])[0]
    if isinstance(error, (ArtclfError, *_composing_errors())):
        return said
    if isinstance(error, OSError):
        return _system_error(error, first, elsewhere)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's
        return f"the memory is full ({first}); a smaller data.batch_size, image size or number of workers needs less"
    if isinstance(error, RuntimeError) and said.startswith(_WORKER):
        return f"the system has ended a process that decodes images ({first}); is the memory full? try data.num_workers=0"
    if isinstance(error, RuntimeError) and said.startswith("Symlink loop"):  # Path.resolve's, before Python 3.13
        return f"{first}: the link leads to itself; remove it"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _composing_errors() -> tuple[type[BaseException], ...]:
    """What Hydra raises while it composes; nothing where it is not loaded."""
    named = (("hydra.errors", "HydraException"), ("omegaconf.errors", "OmegaConfBaseException"))
    return tuple(getattr(sys.modules[module], name) for module, name in named if module in sys.modules)


def _system_error(error: OSError, said: str, elsewhere: str) -> str:
    """The line for what the system refused: the file, where it is known, the reason, and what to do."""
    place = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    if error.errno is None:  # of a library, in its own words
        return f"{place}{said or type(error).__name__}"
    reason = (error.strerror or said).lower()
    if error.errno in _FULL:
        return f"{place}{reason}; make room on the disk (artclf cache clear helps), or type {elsewhere} on another one"
    return f"{place}{reason}; mend that (is it there, with the right to read and write it?), or type {elsewhere}"


def _is_read(stream: Any) -> bool:
    """Whether output can be written: a pipe that nobody reads any more says so when it is asked, a full disk when flushed."""
    try:
        stream.flush()
        if not hasattr(select, "poll"):  # Windows
            return True
        asked = select.poll()
        asked.register(stream.fileno(), select.POLLOUT)
        return not any(event & select.POLLERR for _, event in asked.poll(0))
    except io.UnsupportedOperation:  # no file: a test's stand-in
        return True
    except OSError:
        return False


def raise_on_sigterm() -> Callable[[], None]:
    """Let SIGTERM raise `Terminated`, unless something else handles it; return what puts everything back.

    Python discards what is raised in a destructor: an interruption is kept for `raise_lost`.
    """
    before, hook = signal.getsignal(signal.SIGTERM), sys.unraisablehook
    ours = before is signal.SIG_DFL and threading.current_thread() is threading.main_thread()
    _lost.clear()

    def stop(number: int, frame: Any) -> NoReturn:  # noqa: ARG001
        raise Terminated

    def keep(discarded: Any) -> None:
        if isinstance(discarded.exc_value, KeyboardInterrupt):
            _lost.append(discarded.exc_value)
        elif not str(discarded.exc_value).startswith(_WORKER):  # which is found out again, where it matters
            hook(discarded)

    def put_back() -> None:
        sys.unraisablehook = hook
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    if ours:
        signal.signal(signal.SIGTERM, stop)
    sys.unraisablehook = keep
    return put_back


def raise_lost() -> None:
    """Raise an interruption that Python has discarded."""
    if _lost:
        raise _lost[0]


@contextmanager
def boundary(elsewhere: str) -> Iterator[None]:
    """What a whole command runs in: errors that are no bugs become lines on stderr and an exit code.

    Output in an encoding that lacks a letter has it escaped, and a log line that can't be written (a full disk) is lost
    without a traceback.

    Raises:
        SystemExit: with the code of `ending`; bugs go through.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    told, logging.raiseExceptions = logging.raiseExceptions, False
    put_back = raise_on_sigterm()
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
        logging.raiseExceptions = told
        put_back()


def _print_last(message: str) -> None:
    """Print the last lines on stderr; what is left for a stdout that takes nothing any more is thrown away."""
    with suppress(OSError):
        for line in message.splitlines():
            print(line if line in {"interrupted", "terminated"} else f"error: {line}", file=sys.stderr)  # noqa: T201
    if not _is_read(sys.stdout):
        with suppress(OSError, ValueError):  # no file: a test's stand-in
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
