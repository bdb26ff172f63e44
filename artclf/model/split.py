"""A body in two parts: a frozen one, whose output can be kept for every image, and a tail with all that trains.

The cut is the last layer before what trains whose output is all that later layers need of the images, one row per image:
in a residual network, the input of a block. The parts are then compared with the whole body.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import fx, nn

from artclf.model.backbones import evaluating
from artclf.model.layers import Layers, trace

CHECK_SIZE = 64  # pixels a side of the images on which a cut is checked first
BATCH = 7  # images in the batch that shows which outputs have one row per image
SAME_BATCH = 1e-4  # tolerance, of a tensor's largest value, for the same operations on the same batch
OTHER_BATCH = 1e-2  # for the same images in other batches, for which a GPU may choose other algorithms
ROUNDING = 1e-6  # of the largest gradient: some are 0 but for rounding, such as a bias's before batch normalisation


@dataclass(frozen=True)
class Split:
    """A body (images [B, 3, S, S] → features [B, D]) in two parts that share its modules."""

    body: nn.Module
    place: str  # name of the layer that it is cut behind; "features" where the whole body is frozen
    first: Callable[[torch.Tensor], torch.Tensor]  # the frozen part, in the body's current modes
    tail: Callable[[torch.Tensor], torch.Tensor]  # its output [B, …] → features [B, D]; may overwrite its input

    def frozen(self, images: torch.Tensor) -> torch.Tensor:
        """Images [B, 3, S, S] → output of the frozen part [B, …], in eval mode."""
        with evaluating(self.body):
            return self.first(images)


def split(layers: Layers, depth: int, size: int) -> Split:
    """Cut a body (images [B, 3, size, size] → features [B, D]) before its last `depth` layers, or earlier.

    `tail(frozen(images))` equals `body(images)`, gradients included, in eval mode and in the modes of `set_modes`; that is
    checked on a few random images.

    Args:
        layers: the body and its layers.
        depth: number of layers that train, 0 to len(layers) - 1.
        size: height and width of the images.

    Raises:
        ValueError: if there is no place to cut, or the parts differ from the whole.
    """
    if depth == 0:
        return Split(layers.body, "features", layers.body, lambda features: features)
    if not layers.nodes:
        raise ValueError("the graph of this backbone can't be traced")
    try:
        try:  # on small images, which is quicker; not all bodies take them
            place, *graphs = _cut_and_check(layers, depth, min(size, CHECK_SIZE))
        except Exception:  # noqa: BLE001 (the size alone may be the reason: then this passes)
            place, *graphs = _cut_and_check(layers, depth, size)
    except Exception as error:  # the body's own code runs on symbols and may raise anything
        raise ValueError(f"this backbone can't be cut before its last {depth} layers: {error}") from error
    return _parts(layers.body, place, *graphs)


def _cut_and_check(layers: Layers, depth: int, size: int) -> tuple[str, fx.Graph, fx.Graph, fx.Graph]:
    place, *graphs = cut = _cut(layers, depth, size)
    copied = replace(layers, body=deepcopy(layers.body))  # a check changes running statistics
    copied.set_depth(depth)
    _check(_parts(copied.body, place, *graphs), size)
    return cut


def _parts(body: nn.Module, place: str, *graphs: fx.Graph) -> Split:
    """The parts as functions that take modules, parameters and buffers from the body itself whenever they run.

    A GraphModule would keep the buffers that the body had, on the device where it was.
    """
    first, tail_in_eval, tail_in_train = (partial(type(fx.GraphModule(body, graph)).forward, body) for graph in graphs)

    def tail(outputs: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = (tail_in_train if body.training else tail_in_eval)(outputs)
        return features

    return Split(body, place, first, tail)


def _cut(layers: Layers, depth: int, size: int) -> tuple[str, fx.Graph, fx.Graph, fx.Graph]:
    """Name of the place, and graphs of the frozen part and of the tail in eval and in train mode.

    There are two tails since a graph keeps the mode of functional dropout that it was traced in. Before what trains, both
    graphs are assumed to be equal; where they are not, `_check` finds that the parts differ from the whole.
    """
    graph = layers.nodes[0].graph
    nodes = list(graph.nodes)
    with evaluating(layers.body):
        one_row_per_image = _nodes_with_rows(layers.body, graph, size)
        layers.set_modes(depth)
        nodes_in_train = list(trace(layers.body))
    first_trained = nodes.index(layers.nodes[len(layers) - depth])
    for cut in range(first_trained - 1, 0, -1):
        if nodes[cut] in one_row_per_image and not (_is_bypassed(nodes, cut) or _is_bypassed(nodes_in_train, cut)):
            break
    else:
        raise ValueError("no earlier layer whose output is all that later ones need, with one row per image")
    first, copied = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in nodes[: cut + 1]:
        copied[node] = first.node_copy(node, copied.__getitem__)
    first.output(copied[nodes[cut]])
    place = layers.layers[layers.nodes.index(nodes[cut])].name
    return place, first, _tail(nodes, cut), _tail(nodes_in_train, cut)


def _nodes_with_rows(body: nn.Module, graph: fx.Graph, size: int) -> set[fx.Node]:
    """The nodes that output a tensor with one row per image, found by running the graph on a batch of images."""
    found = set[fx.Node]()

    class Shapes(fx.Interpreter):
        def run_node(self, n: fx.Node) -> object:
            value = super().run_node(n)
            if isinstance(value, torch.Tensor) and value.shape[:1] == (BATCH,):
                found.add(n)
            return value

    with torch.no_grad():
        Shapes(body, graph=graph).run(_random_images(body, BATCH, size))
    return found


def _is_bypassed(nodes: Sequence[fx.Node], cut: int) -> bool:
    """Whether a node behind a cut depends on the images (the first node) in another way than through the cut."""
    dependent = {nodes[0]}
    for node in (*nodes[:cut], *nodes[cut + 1 :]):
        if not dependent.isdisjoint(node.all_input_nodes):
            dependent.add(node)
    return not dependent.isdisjoint(nodes[cut + 1 :])


def _tail(nodes: Sequence[fx.Node], cut: int) -> fx.Graph:
    """The graph behind a cut. What does not depend on images, such as a weight made of weights, is computed again there."""
    tail = fx.Graph()
    copied = {nodes[cut]: tail.placeholder("outputs")}
    for node in nodes:
        if node not in copied:
            copied[node] = tail.node_copy(node, copied.__getitem__)
    for node in reversed(nodes[:cut]):
        if not copied[node].users:
            tail.erase_node(copied[node])
    return tail


def _check(parts: Split, size: int) -> None:
    """Compare parts with their body: features in both modes, gradients, and that an image's row depends on it alone."""
    body, images = parts.body, _random_images(parts.body, 3, size)
    differs = "the parts differ from the whole"
    with torch.no_grad(), evaluating(body):
        outputs = parts.frozen(images)
        alone = torch.cat([parts.frozen(images[:1]), parts.frozen(images[1:])])
        _assert_close(alone, outputs, f"the output of {parts.place} for an image depends on the other images", OTHER_BATCH)
        _assert_close(parts.tail(outputs.clone()), body.forward(images), f"features: {differs}")
    features, gradients = _train_step(body, body.forward, images)
    split_features, split_gradients = _train_step(body, parts.tail, outputs)
    _assert_close(split_features, features, f"features in train mode: {differs}")
    rounding = ROUNDING * max((float(gradient.abs().max()) for gradient in gradients), default=0.0)
    for split_gradient, gradient in zip(split_gradients, gradients, strict=True):
        _assert_close(split_gradient, gradient, f"gradients: {differs}", rounding=rounding)


def _train_step(
    body: nn.Module, function: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor
) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
    """Features, and the gradients of a weighted sum of them, with the same random numbers every time."""
    trained = [parameter for parameter in body.parameters() if parameter.requires_grad]
    with torch.random.fork_rng([inputs.device] if inputs.is_cuda else []):
        torch.manual_seed(0)
        features = function(inputs)
    weights = torch.linspace(-1, 1, features.numel(), device=features.device, dtype=features.dtype).view_as(features)
    gradients = torch.autograd.grad(features, trained, weights, allow_unused=True, materialize_grads=True) if trained else ()
    return features.detach(), gradients


def _random_images(body: nn.Module, batch: int, size: int) -> torch.Tensor:
    """Random images [batch, 3, size, size] on the body's device; the global generators are left alone."""
    example = next(body.parameters())
    images = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(1))
    return images.to(example.device, example.dtype)


def _assert_close(
    got: torch.Tensor, wanted: torch.Tensor, message: str, tolerance: float = SAME_BATCH, rounding: float = 0.0
) -> None:
    torch.testing.assert_close(got, wanted, rtol=0, atol=tolerance * float(wanted.abs().max()) + rounding, msg=message)
