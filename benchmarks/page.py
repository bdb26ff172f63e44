"""RESULTS.md from what was measured."""

from collections.abc import Mapping

from benchmarks.results import Figure, Measured

HEAD = """\
<!-- Written by `python -m benchmarks`; what is changed here by hand is lost. The figures are those of results.json. -->

# What is claimed about speed, measured

`python -m benchmarks` measures every row anew and writes this page; `--only {some}` measures these alone, and leaves the
others as they stand, each with its own date. `--list` tells how long each takes.

The sides of a comparison run in turn, each a process of its own where the row is about a process. A figure is the median over
the rounds, with the lowest and the highest in brackets; a ratio is taken within each round. "Reached" judges the median. Both
peers are scripts in `benchmarks/peers`: *plain Lightning*, as a competent user writes it without artclf, and the *bare loop*,
PyTorch alone in the best precision with every picture ready in memory, which is the limit.
"""


def page(rows: Mapping[str, Measured], titles: Mapping[str, str]) -> str:
    """RESULTS.md.

    Args:
        rows: by name, what was measured.
        titles: by name, what each row means in one line, in the order of the page; rows of other names follow.
    """
    names = [name for name in titles if name in rows] + [name for name in rows if name not in titles]
    machines = list(dict.fromkeys(_surroundings(rows[name]) for name in names if rows[name].findings.figures))
    marks = {text: chr(ord("A") + index % 26) for index, text in enumerate(machines)}
    parts = [HEAD.format(some=",".join(list(titles)[:2])), _table(rows, names, marks)]
    parts.append("\n".join(["## Where", "", *(f"- **{mark}**: {text}" for text, mark in marks.items())]) + "\n")
    parts += [_section(name, titles.get(name, ""), rows[name], marks) for name in names]
    return "\n".join(parts)


def _surroundings(row: Measured) -> str:
    return f"{row.machine}; {row.versions}"


def _table(rows: Mapping[str, Measured], names: list[str], marks: Mapping[str, str]) -> str:
    lines = [
        "| row | figure | artclf | against | measured | target | | when, where |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        row = rows[name]
        link = f"[{name}](#{name})"
        if not row.findings.figures:
            lines.append(_cells(link, "–", "–", "–", "–", "–", row.why_not, row.date))
        for figure in row.findings.figures:
            where = f"{row.date}, {marks[_surroundings(row)]}"
            lines.append(_cells(link, *_figure_cells(figure), where))
            link = ""
    return "\n".join(lines) + "\n"


def _figure_cells(figure: Figure) -> tuple[str, ...]:
    target = figure.target.text(figure.unit) if figure.target else "–"
    verdict = f"**{figure.verdict}**" if figure.target else "–"
    value = figure.value.text(figure.unit)
    return figure.what, figure.artclf or "–", figure.against or "–", value, target, verdict


def _section(name: str, title: str, row: Measured, marks: Mapping[str, str]) -> str:
    lines = [f"### {name}", "", title, ""]
    if not row.findings.figures:
        return "\n".join([*lines, f"Not measured ({row.date}): {row.why_not}.", ""])
    lines += [f"- {note}" for note in row.findings.notes]
    took = f"{row.seconds / 60:.0f} min" if row.seconds >= 90 else f"{row.seconds:.0f} s"
    lines.append(
        f"- measured on {row.date}, machine {marks[_surroundings(row)]}, commit {row.commit}, in {took}: `{row.command}`"
    )
    return "\n".join([*lines, ""])


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
