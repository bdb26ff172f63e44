"""The two parts of a body that has been cut, and the check that they do together what the body does.

What is frozen never changes, so what a prefix makes of a picture can be kept. That asks more of it than that it be right:
every tensor that crosses must have the pictures as its rows, and must not depend on chance or on the other pictures.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

CLOSE = 1e-4  # of a tensor's largest value: the same operations on the same batch
ALIKE = 1e-2  # of a tensor's largest value: the same pictures in other batches, for which a GPU may take other algorithms
NOTHING = 1e-6  # of the largest gradient: one that is 0, as a bias's before batch normalisation, but for rounding


@dataclass(frozen=True)
class Prefix:
    """The frozen part: pictures [B, 3, S, S] → a tuple of what crosses the cut, each [B, …]. It runs in eval mode.

    Attributes:
        body: the body that it is a part of.
        run: the same function in the modes in force.
        crossing: names of what crosses ("layer4.1.relu_2", "the input of blocks.3"), "pictures" and "features" among them.
            Together with the body, its weights and the pictures' size they say what the tensors hold.
        size: pixels a side of the pictures that it takes; None where it takes any.
    """

    body: nn.Module
    run: Callable[[torch.Tensor], tuple[torch.Tensor, ...]]
    crossing: tuple[str, ...]
    size: int | None = None

    def __call__(self, pictures: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Compute what crosses; ValueError for pictures of another size than the cut was made for."""
        if self.size is not None and pictures.shape[2:] != (self.size, self.size):
            raise ValueError(f"cut for pictures of {self.size} × {self.size} pixels; got {tuple(pictures.shape)}")
        with evaluating(self.body):
            return self.run(pictures)


@dataclass
class Suffix:
    """The trained part: what crosses → features [B, D], in the modes in force.

    Attributes:
        run: what it does.
        copies: whether it works on copies, because it would write into what it is given (an activation in place).
    """

    run: Callable[..., torch.Tensor]
    copies: bool = False

    def __call__(self, *crossing: torch.Tensor) -> torch.Tensor:
        """Compute the features."""
        return self.run(*(tensor.clone() for tensor in crossing) if self.copies else crossing)


@contextmanager
def modes_kept(body: nn.Module) -> Iterator[None]:
    """Give every module the mode back that it had."""
    before = [(module, module.training) for module in body.modules()]
    try:
        yield
    finally:
        body.eval()  # timm's attentions throw away at this call what they keep for eval mode: a trace leaves symbols there
        for module, training in before:
            module.training = training


@contextmanager
def evaluating(body: nn.Module) -> Iterator[None]:
    """Eval mode, and afterwards the modes of before."""
    with modes_kept(body):
        body.eval()
        yield


@contextmanager
def undisturbed(body: nn.Module) -> Iterator[None]:
    """Modes that may be changed, full precision, and tensors that autograd knows, whatever the caller is in."""
    device = next(body.parameters()).device
    with modes_kept(body), torch.inference_mode(False), torch.autocast(device.type, enabled=False):
        yield


def draw(body: nn.Module, batch: int, size: int, seed: int = 0) -> torch.Tensor:
    """Random pictures [batch, 3, size, size] where the body is; the global generators are left alone."""
    example = next(body.parameters())
    pictures = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(seed))
    return pictures.to(example.device, example.dtype)


def scale(two: Any, three: Any, batch: int) -> Any:
    """What a number (or nested tuples and lists of them) is at any batch size, from what it is at batch sizes 2 and 3.

    A tensor's sizes are straight lines over the batch size: 7, B, 49·B.
    """
    if isinstance(two, (tuple, list)):
        scaled = [scale(a, b, batch) for a, b in zip(two, three, strict=True)]
        return scaled if isinstance(two, list) else tuple(scaled)
    return two if two == three else two + (three - two) * (batch - 2)


def is_plain(two: Any, three: Any) -> bool:
    """Whether `scale` knows what to do with them."""
    if type(two) is not type(three):
        return False
    if isinstance(two, (tuple, list)):
        return len(two) == len(three) and all(map(is_plain, two, three))
    return type(two) is int or (isinstance(two, (bool, float, str, type(None))) and two == three)


def check(body: nn.Module, prefix: Prefix, suffix: Suffix, trained: Sequence[str], size: int) -> None:
    """See that two parts do what the body does: features and gradients, in eval mode and in the modes in force.

    It sets `suffix.copies`. Modes, gradients, buffers and random numbers are as before afterwards.

    Args:
        body: the body, in the modes in which it is to be trained.
        prefix: its frozen part.
        suffix: its trained part.
        trained: names of the parameters that train.
        size: pixels a side of the pictures to try it on.

    Raises:
        ValueError: where they differ, or where what crosses can't be kept picture by picture.
    """
    with _only(body, trained) as parameters:
        pictures = draw(body, 3, size, seed=1)
        with evaluating(body), torch.no_grad():
            crossing = prefix(pictures)
            _check_rows(crossing, prefix, pictures)
            suffix.copies = _writes(body, suffix, crossing)
            _compare(suffix(*crossing), body.forward(pictures), "features")
        pictures = draw(body, 2, size, seed=2)
        with torch.no_grad():
            crossing = prefix(pictures)
            suffix.copies |= _writes(body, suffix, crossing)
        right, wanted = _run(body, lambda: body.forward(pictures), parameters)
        got, gradients = _run(body, lambda: suffix(*crossing), parameters)
        _compare(got, right, "features in train mode")
        largest = max((float(gradient.abs().max()) for gradient in wanted if gradient is not None), default=0.0)
        for name, a, b in zip(trained, gradients, wanted, strict=True):
            if (a is None) != (b is None):
                raise ValueError(f"the gradient of {name} is lost behind the cut")
            if a is not None and b is not None:
                _compare(a, b, f"the gradient of {name}", NOTHING * largest)


def _check_rows(crossing: tuple[torch.Tensor, ...], prefix: Prefix, pictures: torch.Tensor) -> None:
    """Pictures in two batches must give the same rows as in one."""
    for whole, *parts in zip(crossing, prefix(pictures[:1]), prefix(pictures[1:]), strict=True):
        if not _close(torch.cat(parts), whole, ALIKE):
            raise ValueError("what crosses has not the pictures as its rows, each of one picture alone")


def _writes(body: nn.Module, suffix: Suffix, crossing: tuple[torch.Tensor, ...]) -> bool:
    given = [tensor.clone() for tensor in crossing]
    with _undone(body):
        suffix.run(*given)
    return not all(map(torch.equal, given, crossing))


def _run(
    body: nn.Module, function: Callable[[], torch.Tensor], parameters: list[nn.Parameter]
) -> tuple[torch.Tensor, tuple[torch.Tensor | None, ...]]:
    """Features, and the gradients of a weighted sum of them, with the same random numbers every time."""
    with _undone(body), torch.enable_grad():
        torch.manual_seed(0)
        features = function()
        if not features.requires_grad:
            return features, (None,) * len(parameters)
        weights = torch.linspace(-1, 1, features.numel(), device=features.device, dtype=features.dtype)
        gradients = torch.autograd.grad(features, parameters, weights.view_as(features), allow_unused=True)
    return features.detach(), gradients


@contextmanager
def _undone(body: nn.Module) -> Iterator[None]:
    """Give the buffers (running means) and the random number generators back as they were."""
    before = [(buffer, buffer.clone()) for buffer in body.buffers()]
    device = next(body.parameters()).device
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        with torch.no_grad():
            for buffer, old in before:
                buffer.copy_(old)


@contextmanager
def _only(body: nn.Module, trained: Sequence[str]) -> Iterator[list[nn.Parameter]]:
    """Let only some parameters have gradients, and give them."""
    before = [(parameter, parameter.requires_grad) for parameter in body.parameters()]
    parameters = [body.get_parameter(name) for name in trained]
    try:
        for parameter, _ in before:
            parameter.requires_grad = False
        for parameter in parameters:
            parameter.requires_grad = True
        yield parameters
    finally:
        for parameter, flag in before:
            parameter.requires_grad = flag


def _compare(got: torch.Tensor, wanted: torch.Tensor, what: str, nothing: float = 0.0) -> None:
    if not _close(got, wanted, CLOSE, nothing):
        raise ValueError(f"{what}: the parts give something else than the whole")


def _close(got: torch.Tensor, wanted: torch.Tensor, tolerance: float, nothing: float = 0.0) -> bool:
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        return False
    got, wanted = got.float(), wanted.float()
    return bool(torch.allclose(got, wanted, rtol=0, atol=tolerance * float(wanted.abs().max()) + nothing))
