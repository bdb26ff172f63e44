"""An ONNX encoder as a frozen body: it runs in onnxruntime, and only a head can be trained on it."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from artclf.errors import ArtclfError, needing, reason_of

INSTALL_ONNX = 'pip install -e ".[onnx]"'
SAME = 1e-3  # tolerance, of the largest output, for an image alone and beside another


class OnnxBody(nn.Module):
    """Images, float [B, 3, S, S] → features [B, D], or features of patches [B, N, D]. It has no parameters and no gradient.

    The model itself is a buffer, so that a checkpoint can be used without the file.

    Args:
        model: the content of an ONNX file, uint8 [N]. It has one input, float [B, 3, S, S].
        pooled: whether features of images are wanted, or of patches: the first output of as many dimensions is taken.

    Raises:
        ArtclfError: if onnxruntime is not installed or can't read the model, or if it has no such input or output.
    """

    model: torch.Tensor

    def __init__(self, model: torch.Tensor, *, pooled: bool = True) -> None:
        super().__init__()
        self.register_buffer("model", model)
        self._session: Any = None
        inputs, outputs = self._open().get_inputs(), self._open().get_outputs()
        shape = inputs[0].shape
        if len(inputs) != 1 or len(shape) != 4 or shape[1] != 3:
            found = ", ".join(f"{one.name} {one.shape}" for one in inputs)
            raise ArtclfError(f"the ONNX model takes {found}; an encoder takes one batch of images, [B, 3, S, S]")
        fitting = [one.name for one in outputs if len(one.shape) == (2 if pooled else 3)]
        if not fitting:
            found = ", ".join(f"{one.name} {one.shape}" for one in outputs)
            raise ArtclfError(f"the ONNX model outputs {found}; wanted is {'[B, D]' if pooled else '[B, N, D]'}")
        self.input, self.output = inputs[0].name, fitting[0]
        self.size: int | None = shape[3] if isinstance(shape[3], int) else None  # pixels a side; None: any
        self.one_by_one = isinstance(shape[0], int)  # a fixed batch size

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images [B, 3, S, S] → features [B, D] or [B, N, D], float32."""
        batches = torch.split(images.float().contiguous().cpu(), 1 if self.one_by_one else len(images))
        outputs = [self._open().run([self.output], {self.input: batch.numpy()})[0] for batch in batches]
        return torch.cat([torch.from_numpy(output) for output in outputs]).to(images.device)

    def try_out(self, size: int) -> torch.Tensor:
        """Encode two images of this size together, and return the outcome [2, …].

        From then on images are encoded one by one if the first one's output is another beside the second, whose values have
        another range: so it is with models that are quantised when they run.
        """
        images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
        images[1] *= 10
        together: torch.Tensor = self(images)
        alone = self(images[:1])
        self.one_by_one |= bool((together[:1] - alone).abs().max() > SAME * alone.abs().max())
        return together

    def _open(self) -> Any:
        """The session, which is opened when it is first used in a process."""
        if self._session is None:
            with needing("model=onnx", INSTALL_ONNX):
                import onnxruntime  # noqa: PLC0415 (an extra)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            options.log_severity_level = 3  # errors alone
            providers = [name for name in onnxruntime.get_available_providers() if name.startswith(("CUDA", "CPU"))]
            try:
                self._session = onnxruntime.InferenceSession(self.model.cpu().numpy().tobytes(), options, providers=providers)
            except Exception as error:  # onnxruntime has a class of error for each cause
                raise ArtclfError(f"is no ONNX model that onnxruntime can read: {reason_of(error)}") from error
        return self._session

    def __getstate__(self) -> dict[str, Any]:
        """Without the session, which can't be copied or sent to another process."""
        return {**self.__dict__, "_session": None}


def read_onnx(file: Path) -> torch.Tensor:
    """The content of a file, uint8 [N]. ArtclfError where there is none."""
    if file.suffix != ".onnx" or not file.is_file():
        raise ArtclfError(f"model.weights={file}: there is no such .onnx file; model=onnx needs model.weights=FILE.onnx")
    return torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8)
