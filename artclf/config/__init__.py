"""The configuration of a run: its files, its schema, its checks and its search space."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
CONF = (_PACKAGE if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent) / "conf"
"""The folder with train.yaml: inside the package that a wheel installs, beside it in a checkout."""
