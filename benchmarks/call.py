"""Calls a function in a process of its own and writes what it returns: `python -m benchmarks.call NAME ARGUMENTS OUT`."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any


def call(name: str, arguments: dict[str, Any]) -> Any:
    """Call the function of that dotted name. An argument that is text becomes a path."""
    module, _, function = name.rpartition(".")
    given = {key: Path(value) if isinstance(value, str) else value for key, value in arguments.items()}
    return getattr(importlib.import_module(module), function)(**given)


if __name__ == "__main__":
    Path(sys.argv[3]).write_text(json.dumps(call(sys.argv[1], json.loads(sys.argv[2]))), encoding="utf-8")
