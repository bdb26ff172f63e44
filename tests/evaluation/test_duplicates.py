import numpy as np
import pandas as pd

from artclf.evaluation.duplicates import NEAR, find_duplicates, near_pairs


def table(*rows: tuple[str, str, str, int | None]) -> pd.DataFrame:
    """Rows of label, split, file's bytes, and hash."""
    hashes = ["" if bits is None else f"{bits:016x}" for *_, bits in rows]
    found = pd.DataFrame([row[:3] for row in rows], columns=["label", "split", "sha256"])
    return found.assign(path=[f"{number}.png" for number in range(len(found))], hash=hashes)


FIRST, SECOND = 0xDEADBEEF12345678, 0x0123456789ABCDEF


def test_pairs_are_those_of_comparing_all_with_all() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**63, 60, dtype=np.uint64)
    for number in range(60, 300):  # copies with some bits flipped, in chains
        mask = sum(1 << int(place) for place in rng.choice(64, rng.integers(0, 9), replace=False))
        bits = np.append(bits, bits[rng.integers(0, number)] ^ np.uint64(mask))
    values = np.unique(bits).tolist()
    expected = {
        frozenset((one, other)) for one in values for other in values if one != other and (one ^ other).bit_count() <= NEAR
    }
    assert {frozenset((values[one], values[other])) for one, other in near_pairs(np.unique(bits))} == expected


def test_exact_and_near_copies() -> None:
    found, group = find_duplicates(
        table(
            ("ai", "train", "a", FIRST),
            ("ai", "test", "a", FIRST),  # the same bytes, in another split
            ("human", "train", "b", SECOND),
            ("human", "test", "c", SECOND ^ (1 << 1 | 1 << 20 | 1 << 40 | 1 << 63)),  # near
            ("human", "train", "d", SECOND ^ 0b111110),  # one bit too many
            ("ai", "val", "e", None),  # of one shade
            ("ai", "val", "f", None),
        )
    )
    assert pd.factorize(group)[0].tolist() == [0, 0, 1, 1, 2, 3, 4]
    counts = {"groups": 1, "files": 2, "across_splits": 1, "across_labels": 0, "test_files": 1}
    example = {"files": 2, "paths": ["2.png", "3.png"], "splits": ["test", "train"], "labels": ["human"]}
    assert found["near"] == {**counts, "examples": [example]}
    example = {"files": 2, "paths": ["0.png", "1.png"], "splits": ["test", "train"], "labels": ["ai"]}
    assert found["exact"] == {**counts, "examples": [example]}


def test_copies_across_labels_are_listed_first() -> None:
    rows = [("ai", "train", f"s{number // 2}", FIRST ^ (0xFFFF << (number // 2))) for number in range(14)]
    found, _ = find_duplicates(table(*rows, ("ai", "train", "s1", SECOND), ("human", "train", "y", SECOND)))
    assert found["near"]["across_labels"] == 1
    assert found["near"]["examples"][0]["labels"] == ["ai", "human"]
    assert (found["exact"]["groups"], len(found["exact"]["examples"])) == (7, 5)


def test_without_copies_there_are_no_groups() -> None:
    two = table(("ai", "", "a", FIRST), ("human", "", "b", SECOND))
    for rows in (two, two.head(0)):
        found, _ = find_duplicates(rows)
        assert (found["exact"]["groups"], found["near"]["groups"], found["near"]["examples"]) == (0, 0, [])
