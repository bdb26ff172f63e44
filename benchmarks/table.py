"""A table for data=csv over the pictures that `benchmarks.pictures distinct` makes. It imports nothing large."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

COLUMNS = ("path", "label", "generator", "style", "split")
IN_A_FOLDER = 1000
STYLES = 10


def distinct_path(serial: int) -> str:
    """Where the picture of that number is, relative to the pictures' folder."""
    return f"{serial // IN_A_FOLDER:03}/{serial:06}.jpg"


def write_table(file: Path, counts: Mapping[str, int]) -> int:
    """Write a table of the first pictures.

    Args:
        file: the CSV file; its paths are relative to the folder of the pictures.
        counts: how many pictures each split has; one in three is "human", as in AI-ArtBench.

    Returns:
        The number of rows.
    """
    with file.open("w", encoding="utf-8", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(COLUMNS)
        table.writerows(_rows(counts))
    return sum(counts.values())


def _rows(counts: Mapping[str, int]) -> Iterator[tuple[str, ...]]:
    splits = [split for split, count in counts.items() for _ in range(count)]
    for serial, split in enumerate(splits):
        human = serial % 3 == 0
        yield (
            distinct_path(serial),
            "human" if human else "ai",
            "human" if human else "noise",
            f"style_{serial % STYLES}",
            split,
        )
