"""Calls another module's function in a process of its own, and writes what it returns: `python -m benchmarks.calling`."""

import argparse
import importlib
import inspect
import json
from pathlib import Path
from typing import Any


def call(module: str, function: str, given: dict[str, Any]) -> Any:
    """Call a function with those of the arguments that it takes; text becomes a path, as all text that is given here is one."""
    called = getattr(importlib.import_module(module), function)
    takes = inspect.signature(called).parameters
    return called(**{name: Path(value) if isinstance(value, str) else value for name, value in given.items() if name in takes})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calling")
    parser.add_argument("module")
    parser.add_argument("function")
    parser.add_argument("given", type=json.loads, help="a JSON object of arguments")
    parser.add_argument("out", type=Path, help="a JSON file")
    chosen = parser.parse_args()
    found = call(chosen.module, chosen.function, chosen.given)
    chosen.out.write_text(json.dumps(found, default=str), encoding="utf-8")
