"""The plain values that a checkpoint builds its network from, checked before anything is built."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ValidationError

from artclf.config.preprocessing import Preprocessing
from artclf.config.schema import Section
from artclf.config.validate import part_mistakes
from artclf.errors import ArtclfError
from artclf.model.heads import HEADS
from artclf.model.losses import LOSSES
from artclf.run_folder import first_mismatch


def _known(group: str, classes: dict[str, Any], given: str) -> AfterValidator:
    """Accept a head or a loss of a known name, with options of the right types."""

    def check(part: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(part.get("name"), str):
            raise ValueError(f"{group}.name: allowed: {', '.join(classes)}")
        if wrong := part_mistakes(group, part, classes, given):
            raise ValueError("; ".join(wrong))
        return part

    return AfterValidator(check)


class HyperParameters(Section):
    """The arguments of `ArtClassifier`, and the format of its checkpoints."""

    format: int
    library: Literal["torchvision", "timm", "onnx"]
    name: str
    head: Annotated[dict[str, Any], _known("head", HEADS, "features")]
    loss: Annotated[dict[str, Any], _known("loss", LOSSES, "")]
    preprocessing: Preprocessing
    weights: str = "random"
    channels_last: bool = True


def require_valid(schema: type[Section], values: Any, source: str) -> None:
    """Check the values of a file; else raise an ArtclfError that names the first wrong one."""
    try:
        schema.model_validate(values)
    except ValidationError as error:
        raise ArtclfError(f"{source}: can't be right: {first_mismatch(error)}; take an undamaged copy of the file") from error
