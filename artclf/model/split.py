"""A body in two parts: a frozen one, whose output can be kept for every image, and a tail with all that trains.

It is cut at the last place of its graph before what trains where only one tensor is alive, with the images as its rows: in
a residual network, at the input of a block. The parts are then compared with the whole body.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from artclf.model.layers import Layers, evaluating, modes_kept, set_modes, trace

TRIED_ON = 64  # pixels a side of the images on which a cut is tried first
IMAGES = 7  # in the batch that shows which tensors have the images as their rows
CLOSE = 1e-4  # of a tensor's largest value: the same operations on the same batch
ALIKE = 1e-2  # of a tensor's largest value: the same images in other batches, for which a GPU may take other algorithms
NOTHING = 1e-6  # of the largest gradient: one that is 0 but for rounding, as a bias's before batch normalisation


@dataclass(frozen=True)
class Split:
    """A body (images [B, 3, S, S] → features [B, D]) in two parts that share its modules.

    Attributes:
        body: the body.
        place: name of the layer that it is cut behind; "features" where the whole body is frozen.
        first: the frozen part in the modes in force; `frozen` runs it in eval mode.
        tail: output of the frozen part [B, …] → features [B, D], in the modes in force. It may overwrite its input.
    """

    body: nn.Module
    place: str
    first: Callable[[torch.Tensor], torch.Tensor]
    tail: Callable[[torch.Tensor], torch.Tensor]

    def frozen(self, images: torch.Tensor) -> torch.Tensor:
        """Images [B, 3, S, S] → output of the frozen part [B, …]."""
        with evaluating(self.body):
            return self.first(images)


def split(body: nn.Module, layers: Layers, depth: int, size: int) -> Split:
    """Cut a body before its last `depth` layers, or earlier.

    `tail(frozen(images))` equals `body(images)`, gradients included, in eval mode and in the modes of `set_modes`; that is
    checked on a few random images. Afterwards the body is as it was.

    Args:
        body: images [B, 3, S, S] → features [B, D].
        layers: from `list_layers(body)`.
        depth: number of layers that train, 0 to len(layers) - 1.
        size: S.

    Raises:
        ValueError: if there is no such place, or the parts differ from the whole.
    """
    if depth == 0:
        return Split(body, "features", body, lambda features: features)
    if not layers.nodes:
        raise ValueError("the graph of this backbone can't be traced")
    trained = [name for layer in layers.trained(depth) for name in layer.parameters]
    with _undisturbed(body):
        set_modes(body, layers, depth)
        try:
            found = _cut(body, layers, depth, size)
            try:  # small images, at a fraction of the price; not all bodies take them
                _check(body, found, trained, min(size, TRIED_ON))
            except Exception:  # noqa: BLE001 (the size alone may be the reason: then this check passes)
                _check(body, found, trained, size)
        except Exception as error:  # the body's own code runs, in ways that it was not written for
            raise ValueError(f"this backbone can't be cut before its last {depth} layers: {error}") from error
    return found


def _cut(body: nn.Module, layers: Layers, depth: int, size: int) -> Split:
    """Cut a body that is in the modes in which it trains.

    A graph keeps the mode of functional dropout that it was traced in, so the tail has one for each mode.
    """
    graph = layers.nodes[0].graph
    nodes, other = list(graph.nodes), list(trace(body))
    limit = min(nodes.index(layers.nodes[len(layers) - depth]), _first_difference(body, nodes, other))
    with evaluating(body), torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True) as sizes:
        shapes = _Shapes(body, graph=graph)
        shapes.run(sizes.from_tensor(_draw(body, IMAGES, size)))
    made = _made_of_images(nodes)
    last = [max(_last_use(nodes, i), _last_use(other, i)) for i in range(limit)]
    for place in range(limit, 1, -1):
        alive = [i for i in range(place) if nodes[i] in made and last[i] >= place]
        if len(alive) == 1 and nodes[alive[0]] in shapes.rows and nodes[alive[0]].op != "placeholder":
            break
    else:
        raise ValueError("nowhere before them one tensor alone, with the images as its rows, is alive")
    [cut] = alive
    first, copied = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in nodes[:place]:
        copied[node] = first.node_copy(node, copied.__getitem__)
    first.output(copied[nodes[cut]])
    evaluated, trained = _bound(body, _tail(nodes, place, cut)), _bound(body, _tail(other, place, cut))
    names = {node: layer.name for node, layer in zip(layers.nodes, layers.layers, strict=True)}

    def tail(outputs: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = (trained if body.training else evaluated)(outputs)
        return features

    return Split(body, names[nodes[cut]], _bound(body, first), tail)


class _Shapes(fx.Interpreter):
    """Runs a graph and notes which nodes give a tensor with the images as its rows."""

    def __init__(self, body: nn.Module, graph: fx.Graph) -> None:
        super().__init__(body, graph=graph)
        self.rows = set[fx.Node]()

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, torch.Tensor) and value.shape[:1] == (IMAGES,):
            self.rows.add(n)
        return value


def _made_of_images(nodes: Sequence[fx.Node]) -> set[fx.Node]:
    made = set[fx.Node]()
    for node in nodes:
        if node.op == "placeholder" or not made.isdisjoint(node.all_input_nodes):
            made.add(node)
    return made


def _last_use(nodes: Sequence[fx.Node], i: int) -> int:
    return max((nodes.index(user) for user in nodes[i].users), default=i)


def _tail(nodes: Sequence[fx.Node], place: int, cut: int) -> fx.Graph:
    """The graph behind a place. What is not made of images is computed again there."""
    graph, made = fx.Graph(), _made_of_images(nodes)
    copied = {nodes[cut]: graph.placeholder("outputs")}
    for i, node in enumerate(nodes):
        if i >= place or node not in made:
            copied[node] = graph.node_copy(node, copied.__getitem__)
    for node in reversed(nodes[:place]):
        if node in copied and node is not nodes[cut] and not copied[node].users:
            graph.erase_node(copied[node])
    return graph


def _bound(body: nn.Module, graph: fx.Graph) -> Callable[..., Any]:
    """A graph as a function that takes modules, parameters and buffers from the body itself whenever it runs.

    A GraphModule of its own would keep the buffers that the body had, on the device where it was.
    """
    return partial(type(fx.GraphModule(body, graph)).forward, body)


def _first_difference(body: nn.Module, nodes: Sequence[fx.Node], other: Sequence[fx.Node]) -> int:
    """The first place at which two graphs do not do the same."""
    places = {node: f"%{i}" for graph in (nodes, other) for i, node in enumerate(graph)}

    def same(a: fx.Node, b: fx.Node) -> bool:
        if a.op == b.op == "get_attr" and a.target != b.target:  # fx names constants anew in every trace
            values = [attrgetter(str(node.target))(body) for node in (a, b)]
            return all(isinstance(value, torch.Tensor) for value in values) and torch.equal(*values)
        used = [repr(fx.node.map_arg((node.args, node.kwargs), places.__getitem__)) for node in (a, b)]
        return a.op == b.op and a.target == b.target and used[0] == used[1]

    pairs = enumerate(zip(nodes, other, strict=False))
    return next((i for i, (a, b) in pairs if not same(a, b)), min(len(nodes), len(other)))


# ---- the check


def _check(body: nn.Module, parts: Split, trained: Sequence[str], size: int) -> None:
    """Compare the parts with the body: features in both modes, gradients, and that an image's row is its own alone."""
    with _only(body, trained) as parameters:
        images = _draw(body, 3, size, seed=1)
        with evaluating(body), torch.no_grad():
            outputs = parts.frozen(images)
            if not _close(torch.cat([parts.frozen(images[:1]), parts.frozen(images[1:])]), outputs, ALIKE):
                raise ValueError(f"what {parts.place} gives for an image depends on the other images")
            _compare(parts.tail(outputs), body.forward(images), "features")
        images = _draw(body, 2, size, seed=2)
        with torch.no_grad():
            outputs = parts.frozen(images)
        wanted = _features_and_gradients(body, lambda: body.forward(images), parameters)
        got = _features_and_gradients(body, lambda: parts.tail(outputs), parameters)
    _compare(got[0], wanted[0], "features in train mode")
    largest = max((float(gradient.abs().max()) for gradient in wanted[1:] if gradient is not None), default=0.0)
    for name, a, b in zip(trained, got[1:], wanted[1:], strict=True):
        if (a is None) != (b is None):
            raise ValueError(f"the gradient of {name} is lost behind the cut")
        if a is not None:
            _compare(a, b, f"the gradient of {name}", NOTHING * largest)


def _features_and_gradients(body: nn.Module, function: Callable[[], torch.Tensor], parameters: list[nn.Parameter]) -> list[Any]:
    """Features, and the gradients of a weighted sum of them, with the same random numbers every time."""
    buffers = [(buffer, buffer.clone()) for buffer in body.buffers()]
    device = next(body.parameters()).device
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.enable_grad():
        torch.manual_seed(0)
        features = function()
        weights = torch.linspace(-1, 1, features.numel(), device=device, dtype=features.dtype).view_as(features)
        gradients = (
            torch.autograd.grad(features, parameters, weights, allow_unused=True)
            if features.requires_grad
            else [None] * len(parameters)
        )
    with torch.no_grad():
        for buffer, old in buffers:
            buffer.copy_(old)
    return [features.detach(), *gradients]


@contextmanager
def _undisturbed(body: nn.Module) -> Iterator[None]:
    """Modes that may be changed, full precision, and tensors that autograd knows, whatever the caller is in."""
    device = next(body.parameters()).device
    with modes_kept(body), torch.inference_mode(False), torch.autocast(device.type, enabled=False):
        yield


@contextmanager
def _only(body: nn.Module, trained: Sequence[str]) -> Iterator[list[nn.Parameter]]:
    """Let only some parameters have gradients, and give them."""
    before = [(parameter, parameter.requires_grad) for parameter in body.parameters()]
    try:
        body.requires_grad_(False)
        parameters = [body.get_parameter(name) for name in trained]
        for parameter in parameters:
            parameter.requires_grad = True
        yield parameters
    finally:
        for parameter, flag in before:
            parameter.requires_grad = flag


def _draw(body: nn.Module, batch: int, size: int, seed: int = 0) -> torch.Tensor:
    """Random images [batch, 3, size, size] where the body is; the global generators are left alone."""
    example = next(body.parameters())
    images = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(seed))
    return images.to(example.device, example.dtype)


def _compare(got: torch.Tensor, wanted: torch.Tensor, what: str, nothing: float = 0.0) -> None:
    if not _close(got, wanted, CLOSE, nothing):
        raise ValueError(f"{what}: the parts give something else than the whole")


def _close(got: torch.Tensor, wanted: torch.Tensor, tolerance: float, nothing: float = 0.0) -> bool:
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        return False
    got, wanted = got.float(), wanted.float()
    return bool(torch.allclose(got, wanted, rtol=0, atol=tolerance * float(wanted.abs().max()) + nothing))
