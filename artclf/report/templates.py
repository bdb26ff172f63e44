"""HTML from templates: everything that comes from a run is escaped."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, Environment, FileSystemLoader

from artclf.report import style, words


def render(template: str, **context: Any) -> str:
    """Fill in a template of this folder. A key that a run did not record is shown as a dash, never an error."""
    return _environment().get_template(template).render(context)


@cache
def _environment() -> Environment:
    """What templates are read with; it keeps those that it has compiled."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["style"] = style
    readers = (words.count, words.share, words.score, words.size, words.duration, words.unfrozen)
    for reader in (*readers, words.points, words.p_value, words.share_range, words.score_range):
        environment.filters[reader.__name__] = reader
    return environment
