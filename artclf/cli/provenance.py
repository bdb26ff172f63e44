"""`artclf provenance`: what image files themselves say about their origin."""

import json as to_json
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from artclf.cli.console import MaxPixels, require_images, require_writable
from artclf.data.files import DEFAULT_MAX_PIXELS, UnreadableImage
from artclf.errors import ArtclfError, plain_cell, printable


def provenance(
    paths: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each file, one a line.")] = False,
    to: Annotated[Path | None, typer.Option(dir_okay=False, help="Also write a row for each file to this CSV file.")] = None,
    trust_list: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Certificates (PEM) of those whose C2PA signatures are trusted.")
    ] = None,
    max_pixels: MaxPixels = DEFAULT_MAX_PIXELS,
) -> int:
    """Print whether each file declares AI, a human or camera origin, or nothing, and which field says so.

    An image that can't be read is named, and the others go on; the exit code is then 1.
    """
    import pandas as pd  # noqa: PLC0415 (`artclf --help` stays quick)

    from artclf.data.sources.folder import image_files  # noqa: PLC0415
    from artclf.provenance.c2pa import WITHOUT_C2PA, looks_at_c2pa  # noqa: PLC0415
    from artclf.provenance.read import CAUTION, read_provenance  # noqa: PLC0415
    from artclf.run_folder import write_table  # noqa: PLC0415

    if trust_list is not None and not looks_at_c2pa():
        raise ArtclfError(f"--trust-list {trust_list}: {WITHOUT_C2PA}")
    if to is not None:
        require_writable(to)
    trusted = trust_list.read_text(encoding="utf-8", errors="replace") if trust_list else ""
    if trust_list is not None and ("-----BEGIN CERTIFICATE-----" not in trusted or not looks_at_c2pa(trusted)):
        raise ArtclfError(f"--trust-list {trust_list}: holds no certificate; give a PEM file")
    rows, unread = [], 0
    if not json:
        typer.echo(f"{'declares':<24}  image")
    for file in chain.from_iterable(map(image_files, paths)):
        found, reason = None, ""
        try:
            found = read_provenance(file, max_pixels=max_pixels, trust_list=trusted)
        except UnreadableImage as error:
            reason, unread = error.reason, unread + 1
            typer.echo(f"error: {printable(str(file))}: {reason}", err=True)
        state, statements, note = (found.state, found.statements, found.note) if found else ("", (), "")
        row = {
            "path": printable(str(file)),
            "provenance": state,
            "note": note,
            "reason": reason,
        }
        if json:
            typer.echo(to_json.dumps(row | {"statements": [asdict(statement) for statement in statements]}))
        elif found:
            typer.echo(f"{state.removeprefix('declares '):<24}  {row['path']}")
            for line in filter(None, [*map(str, statements), note]):
                typer.echo(f"{'':<28}{line}")
        rows.append(row | {"path": plain_cell(str(file)), "statements": "; ".join(map(str, statements))})
    require_images(len(rows), paths)
    for line in [CAUTION] if looks_at_c2pa() else [CAUTION, WITHOUT_C2PA]:
        typer.echo(line, err=json)
    if to is not None:
        write_table(to, pd.DataFrame(rows, columns=["path", "provenance", "statements", "note", "reason"]))
    return unread
