"""Command lines of train.py and `artclf train`: what is read of one, and how one is written so that it can be pasted."""

import os
import re
import shlex
import sys
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

from artclf.errors import ArtclfError

NO_TEXT = ("true", "false", "null", "nan", "inf")  # words that Hydra reads as something else
SEARCH_KEYS = ("sweep", "pruning")
FLAGS = (
    "-m (--multirun), --help, --hydra-help, --version, --cfg job|hydra|all (with --resolve or --package PART), "
    "--info all|config|defaults|defaults-tree|plugins|searchpath, --shell-completion"
)
PLACES = ("artifact_location", "dir", "dirpath", "offline_directory", "root", "root_dir", "save_dir", "tracking_uri")
TEXTS = ("data.csv", "model.weights", "holdout.leave", "resume.folder")  # and keys that end with one of PLACES


def parse_flags(words: list[str]) -> tuple[Namespace, list[str], list[str]]:
    """Return Hydra's flags as it reads them, as typed, and the overrides as Hydra can read them; flags may stand between them.

    ArtclfError for an unknown flag, one that lacks its value or another flag, and one that chooses another configuration.
    """
    typed = " ".join(word for word in words if word.startswith("-"))

    def refuse(_: str) -> NoReturn:
        raise ArtclfError(f"{typed}: can't be read; allowed: {FLAGS}")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[assignment, method-assign]
    flags = parser.parse_intermixed_args(words)
    if flags.config_name or flags.config_path or flags.config_dir or flags.experimental_rerun:
        raise ArtclfError(f"{typed}: there is one configuration, conf/train.yaml and its groups; allowed: {FLAGS}")
    if (flags.resolve or flags.package) and not flags.cfg:
        raise ArtclfError(f"{typed}: --resolve and --package go with --cfg: {command_of(['--cfg', 'job'])} {typed}")
    if sum(map(bool, (flags.run, flags.multirun, flags.cfg, flags.info, flags.shell_completion))) > 1:
        raise ArtclfError(f"{typed}: one at a time; allowed: {FLAGS}")
    overrides = [readable(re.sub(r"^resume=", "resume.folder=", word), multirun=flags.multirun) for word in flags.overrides]
    return flags, [word for word in words if word not in flags.overrides], overrides


def readable(word: str, *, multirun: bool) -> str:
    """Return an override that Hydra can read: `data.root=Monet (1)` as `data.root='Monet (1)'`.

    A value is put in quotes where Hydra's grammar can't read it, and where it names a file, a folder or a generator, which is
    text, whatever it looks like (1900, true, a,b). Null and what is already in quotes stay as they are, and so do the lists of
    a multirun: there, a,b are two folders, unless there is one called so.
    """
    key, equals, value = word.partition("=")
    if not equals or parsed(f"{key}=") is None:
        return word
    override = parsed(word)
    is_name = key.lstrip("+") in TEXTS or key.split(".")[-1] in PLACES
    if override is not None and (not is_name or override.value() is None or value[:1] in ("'", '"')):
        return word
    value = os.path.expanduser(value) if is_name else value  # noqa: PTH111 (which raises for an unknown ~name)
    if not (is_name and multirun) or os.path.lexists(value):
        return f"{key}={quoted(value)}"
    if override is not None and re.search(r"['\"($]", value):  # quotes, choice(…), ${…}
        return word
    return f"{key}={','.join(map(quoted, value.split(',')))}"


def parsed(word: str) -> Override | None:
    """An override as Hydra reads it; None where it can't."""
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None


def resumed_folder(words: list[str], *, multirun: bool) -> Path | None:
    """The folder of `resume.folder=FOLDER`; None where nothing is to be resumed. ArtclfError where more than that is typed."""
    overrides = {override.key_or_group: override for override in OverridesParser.create().parse_overrides(words)}
    if "resume.folder" not in overrides:
        return None
    folder = Path(str(overrides["resume.folder"].value()))
    if multirun:
        raise ArtclfError(f"resume: one run at a time continues; leave -m out: {command_of(['resume=FOLDER'])}")
    ours = {key: override for key, override in overrides.items() if not override.is_hydra_override()}
    others = [str(override.input_line) for key, override in ours.items() if key not in ("resume.folder", "resume.trust")]
    if others:
        raise ArtclfError(
            f"resume={folder}: a run continues as its config.yaml says; leave out {' '.join(others)}, or begin anew"
        )
    return folder


def quoted(value: str) -> str:
    """A value as Hydra reads it back as text: in quotes, with what they would end escaped, unless it is a plain word."""
    if re.fullmatch(r"[A-Za-z/_][\w./-]*", value, re.ASCII) and value.lower() not in NO_TEXT:
        return value
    return str(QuotedString(value, Quote.single).with_quotes())


def command_of(words: Iterable[str]) -> str:
    """The command line of these overrides, for a shell: of train.py where that is running, else of `artclf train`."""
    program = ["python", "train.py"] if Path(sys.argv[0]).name == "train.py" else ["artclf", "train"]
    return shlex.join([*program, *words])


def resume_command(run: Path) -> str:
    """What to type, in a shell, to continue a run."""
    return command_of([f"resume={quoted(str(run))}"])


def concerns_search(word: str) -> bool:
    """Whether an override concerns the search that a run is part of, and not the run."""
    return word.lstrip("+").split("=")[0] in SEARCH_KEYS
