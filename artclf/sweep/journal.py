"""The journal of a search: one file in the sweep's folder, which trials in other processes write to as well."""

import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from artclf.errors import ArtclfError

JOURNAL = "sweep.journal"
STUDY = "artclf"


def storage(file: Path) -> JournalStorage:
    """Open the journal, or begin it.

    Its lock is a file that is made exclusively, which holds on network file systems too, and needs no right to make links.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # optuna 4.0 to 4.x call journals experimental
        return JournalStorage(JournalFileBackend(str(file), lock_obj=JournalFileOpenLock(str(file))))


def make_pruner(options: dict[str, Any]) -> optuna.pruners.BasePruner:
    """Return the pruner by what `study.user_attrs["pruner"]` holds."""
    if options["name"] == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(
        n_startup_trials=options["startup_trials"],
        n_warmup_steps=options["warmup_epochs"] + 1,  # optuna prunes from this step on, and epochs count from 1
    )


def open_trial(file: Path, trial: int) -> optuna.Trial:
    """Open a running trial from whichever process trains it.

    Args:
        file: the journal.
        trial: Optuna's id of the trial.

    Raises:
        ArtclfError: where there is no such journal, or no such trial in it.
    """
    if not file.is_file():
        raise ArtclfError(
            f"pruning.storage={file}: there is no such file here; a sweep's folder must be seen by all its machines"
        )
    try:
        study = optuna.load_study(study_name=STUDY, storage=storage(file), sampler=optuna.samplers.RandomSampler())
        study.pruner = make_pruner(study.user_attrs["pruner"])
        return optuna.Trial(study, trial)
    except KeyError as error:
        raise ArtclfError(f"pruning.trial={trial}: {file} holds no such trial") from error
