"""Models on the Hugging Face Hub, as hub:OWNER/NAME, through huggingface_hub (extra `hub`), which finds the token itself."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import artclf
from artclf.errors import ArtclfError, needing, reason_of

INSTALL_HUB = 'pip install "artclf[hub]"'
HUB = "hub:"
MODEL_FILE = "model.safetensors"
_WHY = {  # a class of huggingface_hub's errors → the reason; of several classes the first
    "OfflineModeIsEnabled": "the Hub is not asked: HF_HUB_OFFLINE is set",
    "LocalEntryNotFoundError": "the Hub can't be reached, and no earlier download is kept; is there a network?",
    "TransportError": "the Hub can't be reached; is there a network?",  # of the HTTP library, as the next, of older ones
    "ConnectionError": "the Hub can't be reached; is there a network?",
    "LocalTokenNotFoundError": "you are not logged in; type hf auth login",
    "RevisionNotFoundError": "the Hub has no such revision of it",
    "RepositoryNotFoundError": "the Hub has no such model, or it is private and you are not logged in (hf auth login)",
    "EntryNotFoundError": f"holds no {MODEL_FILE}, so artclf did not push it",
}
_STATUS = {
    401: "the Hub does not know you; type hf auth login",
    403: "you may not do this with your token; take one that may write",
}


def is_on_hub(given: Path) -> bool:
    """Whether hub:OWNER/NAME was typed, and no path."""
    return given.as_posix().startswith(HUB)


def download(given: Path) -> Path:
    """Download the weights of hub:OWNER/NAME or hub:OWNER/NAME@REVISION, and nothing else; return the file, which is kept.

    Raises:
        ArtclfError: there is no such model, it holds no such file, or the Hub can't be reached.
    """
    name, _, revision = given.as_posix().removeprefix(HUB).partition("@")
    with _asking(name) as library:
        options = {"library_name": "artclf", "library_version": artclf.__version__}
        return Path(library.hf_hub_download(name, MODEL_FILE, revision=revision or None, **options))


def upload(folder: Path, name: str, *, private: bool) -> str:
    """Upload the files of a folder as the model OWNER/NAME, which is made if there is none; return the address of the commit.

    Raises:
        ArtclfError: the Hub can't be reached or refuses it; or the model should be private, and is there already, and public.
    """
    with _asking(name) as library:
        hub = library.HfApi(library_name="artclf", library_version=artclf.__version__)
        hub.create_repo(name, private=private or None, exist_ok=True)
        if private and not hub.model_info(name).private:
            raise ArtclfError(f"{name}: is there already, and public; give another name, or go without --private")
        commit = hub.upload_folder(repo_id=name, folder_path=folder, commit_message="artclf push")
    return str(commit.commit_url)


@contextmanager
def _asking(name: str) -> Iterator[ModuleType]:
    """huggingface_hub, whose errors become one line. ArtclfError also where `name` is no OWNER/NAME."""
    with needing(f"{name}:", INSTALL_HUB):
        import huggingface_hub  # noqa: PLC0415 (an extra)
        from huggingface_hub import constants  # noqa: PLC0415
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name) is None:
        raise ArtclfError(f"{name}: is no name of a model on the Hub; give OWNER/NAME")
    constants.HF_HUB_DISABLE_TELEMETRY = True  # else it also fetches a list of programs to tell the Hub of
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # it names each try
    try:
        yield huggingface_hub
    except ArtclfError:
        raise
    except Exception as error:  # whatever the network, the Hub or the library raises
        first = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error  # of an upload in a thread
        classes = {one.__name__ for one in type(first).__mro__}
        reason = next((why for found, why in _WHY.items() if found in classes), None)
        status = getattr(getattr(first, "response", None), "status_code", 0)
        raise ArtclfError(f"{name}: {reason or _STATUS.get(status) or reason_of(first)}") from error
