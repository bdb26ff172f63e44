"""Try images, command lines and run folders, and say how many were tried and how many failed."""

import argparse
import importlib
import importlib.util
import sys

PARTS = ("images", "commandline", "folders")  # modules with run(count, seed) -> how many were tried, a line for each failure


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.trials", description=__doc__)
    present = [part for part in PARTS if importlib.util.find_spec(f"tests.trials.{part}")]
    for part in present:
        parser.add_argument(f"--{part}", type=int, metavar="COUNT", help=f"how many {part} are tried")
    parser.add_argument("--seed", type=int, default=0)
    asked = vars(parser.parse_args())
    counts = {part: asked[part] for part in present if asked[part] is not None} or dict.fromkeys(present, 300)
    failed = False
    for part, count in counts.items():
        tried, failures = importlib.import_module(f"tests.trials.{part}").run(count, asked["seed"])
        for line in failures:
            print(f"FAILED {part}: {line}")
        print(f"{part}: {tried:,} tried, {len(failures):,} failed (seed {asked['seed']})")
        failed |= bool(failures)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
