"""A classifier and its decision rule as one .safetensors file: tensors and JSON alone, so that reading it runs no code."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from artclf.errors import ArtclfError, needing, reason_of, without_folders
from artclf.evaluation.decision import DecisionRule
from artclf.model.checkpoint import DIGEST, RULE, build_classifier, digest, foreign, require_readable, require_sound, rule_of
from artclf.model.classifier import ArtClassifier
from artclf.model.hub import INSTALL_HUB
from artclf.run_folder import as_json, replacing

SAFETENSORS = ".safetensors"
HEADER = "artclf"  # key of the file's metadata, under which the header stands as JSON


class Header(TypedDict):
    """What stands in the file beside its weights."""

    hyper_parameters: dict[str, Any]  # the arguments of ArtClassifier, and the format
    decision_rule: dict[str, Any] | None
    digest: str  # SHA-256 of the weights
    about: dict[str, str | None]  # where the model comes from; "precision": what it was tested in


def save_safetensors(classifier: ArtClassifier, rule: DecisionRule | None, about: Mapping[str, str | None], file: Path) -> str:
    """Write a classifier to a file, as a whole or not at all, and return its header, which names no folder.

    Raises:
        ArtclfError: safetensors is not installed, or the file can't be written.
    """
    library = _safetensors(file)
    # in order of their names, as the file forgets any other; each on its own: it has no strides and no shared memory
    named = sorted(classifier.state_dict().items())
    state = {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in named}
    header = without_folders(
        as_json(
            {
                "hyper_parameters": dict(classifier.hparams),
                RULE: rule and rule.to_json(),
                DIGEST: digest({"state_dict": state}),
                "about": dict(about),
            }
        )
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as new:
        try:
            library.save_file(state, new, metadata={HEADER: header})
        except Exception as error:  # its own class, for a full disk as well
            raise ArtclfError(f"{file}: can't be written: {reason_of(error)}") from error
    return header


def load_safetensors(file: Path) -> tuple[ArtClassifier, DecisionRule | None]:
    """Build a classifier from such a file, in eval mode on the CPU, and its decision rule, if it has one.

    Raises:
        ArtclfError: safetensors is not installed; or the file is none of artclf's, of another version, or damaged.
    """
    content: dict[str, Any] = {**read_header(file)}
    try:
        content["state_dict"] = dict(sorted(_safetensors(file).load_file(file).items()))
    except Exception as error:
        raise foreign(file, error) from error
    require_sound(content, file)
    return build_classifier(content, file), rule_of(content, file)


def read_header(file: Path) -> Header:
    """Read what stands beside the weights. ArtclfError as `load_safetensors`."""
    library = _safetensors(file)
    try:
        with library.safe_open(file, framework="pt") as opened:
            found = (opened.metadata() or {}).get(HEADER)
        if found is None:
            raise ValueError("it has weights alone; model.weights=FILE trains on top of such a file")
        header: Header = TypeAdapter(Header).validate_json(found, strict=True)
    except Exception as error:  # whatever a broken or a foreign file raises
        raise foreign(file, error) from error
    require_readable(header["hyper_parameters"], file)
    return header


def _safetensors(file: Path) -> ModuleType:
    with needing(f"{file}:", INSTALL_HUB):
        import safetensors.torch  # noqa: PLC0415 (an extra)
    return safetensors.torch
