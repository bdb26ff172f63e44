"""What a multirun left: its finished runs, and why the others failed. Loads nothing heavy."""

from pathlib import Path

ERROR_FILE = "error.txt"  # in the folder of a run that failed


def runs_of(multirun: Path) -> tuple[list[Path], dict[str, str]]:
    """Return the folders of a multirun's finished runs, by number, and name → reason of those that failed."""
    finished = sorted((file.parent for file in multirun.glob("*/metrics.json")), key=_number)
    failed = sorted((file.parent for file in multirun.glob(f"*/{ERROR_FILE}")), key=_number)
    return finished, {folder.name: (folder / ERROR_FILE).read_text(encoding="utf-8").strip() for folder in failed}


def _number(folder: Path) -> tuple[int, str]:
    return (int(folder.name) if folder.name.isdigit() else 0, folder.name)
