"""What a multirun left: its finished runs, and why the others are not. Loads nothing heavy."""

from pathlib import Path

ERROR_FILE = "error.txt"  # in the folder of a run that failed
PRUNED_FILE = "pruned.json"  # in the folder of a run that a search has stopped
PROGRESS_FILE = "progress.json"  # in the folder of a run that has not finished
HOLDOUT_FILE = "holdout.json"  # in the folder of runs that left one generator or style out each


def runs_of(multirun: Path) -> tuple[list[Path], dict[str, str]]:
    """Return the folders of a multirun's finished runs, by number, and name → reason of those that failed or were interrupted.

    Runs that a search has stopped are neither, nor is a folder of runs that left something out each.
    """
    files = ("config.yaml", "metrics.json", ERROR_FILE)
    folders = {file.parent for name in files for file in multirun.glob(f"*/{name}")}
    finished: list[Path] = []
    others: dict[str, str] = {}
    for folder in sorted(folders, key=_number):
        if is_finished(folder):
            finished.append(folder)
        elif (folder / ERROR_FILE).is_file():
            others[folder.name] = (folder / ERROR_FILE).read_text(encoding="utf-8").strip()
        elif not (folder / PRUNED_FILE).is_file() and not is_finished_holdout(folder):
            others[folder.name] = f"it has not finished; resume={folder} goes on with it"
    return finished, others


def is_finished(run: Path) -> bool:
    """Whether a run has written all it has to say."""
    return (run / "metrics.json").is_file() and not (run / PROGRESS_FILE).exists()


def is_finished_holdout(folder: Path) -> bool:
    """Whether all runs of a folder that left something out each have finished, and their page is written."""
    return (folder / HOLDOUT_FILE).is_file() and not (folder / PROGRESS_FILE).exists()


def _number(folder: Path) -> tuple[int, str]:
    return (int(folder.name) if folder.name.isdigit() else 0, folder.name)
