"""A body in two parts: a frozen one, whose output can be kept for every image, and a tail with all that trains.

It is cut at the last place of its graph before what trains where only one tensor is alive, with the images as its rows: in
a residual network, at the input of a block. The parts are then compared with the whole body.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from artclf.model.layers import Layers, evaluating, modes_kept, set_depth, set_modes, trace

TRIED_ON = 64  # pixels a side of the images on which a cut is tried first
IMAGES = 7  # in the batch that shows which tensors have the images as their rows
CLOSE = 1e-4  # of a tensor's largest value: the same operations on the same batch
ALIKE = 1e-2  # of a tensor's largest value: the same images in other batches, for which a GPU may take other algorithms
ROUNDING = 1e-6  # of the largest gradient: one that is 0 but for rounding, as a bias's before batch normalisation


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


def split(body: nn.Module, layers: Layers, depth: int, size: int) -> Split:
    """Cut a body before its last `depth` layers, or earlier.

    `tail(frozen(images))` equals `body(images)`, gradients included, in eval mode and in the modes of `set_modes`; that is
    checked on a few random images.

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
    try:
        place, *graphs = _cut(body, layers, depth, size)
        copied = deepcopy(body)
        set_depth(copied, layers, depth)
        parts = _parts(copied, place, *graphs)
        try:  # on small images, which is quicker; not all bodies take them
            _check(parts, min(size, TRIED_ON))
        except Exception:  # noqa: BLE001 (the size alone may be the reason: then this check passes)
            _check(parts, size)
    except Exception as error:  # the body's own code runs, in ways that it was not written for
        raise ValueError(f"this backbone can't be cut before its last {depth} layers: {error}") from error
    return _parts(body, place, *graphs)


def _parts(body: nn.Module, place: str, *graphs: fx.Graph) -> Split:
    """The parts as functions that take modules, parameters and buffers from the body itself whenever they run.

    A GraphModule of its own would keep the buffers that the body had, on the device where it was.
    """
    first, tail_in_eval, tail_in_train = (partial(type(fx.GraphModule(body, graph)).forward, body) for graph in graphs)

    def tail(outputs: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = (tail_in_train if body.training else tail_in_eval)(outputs)
        return features

    return Split(body, place, first, tail)


def _cut(body: nn.Module, layers: Layers, depth: int, size: int) -> tuple[str, fx.Graph, fx.Graph, fx.Graph]:
    """Name of the place, and graphs of the frozen part and of the tail in eval and in train mode.

    There are two tails since a graph keeps the mode of functional dropout that it was traced in. Before what trains, both
    graphs are taken to be the same; where they are not, `_check` finds the parts to differ from the whole.
    """
    graph = layers.nodes[0].graph
    with modes_kept(body):
        set_modes(body, layers, depth)
        nodes, other = list(graph.nodes), list(trace(body))
    limit = nodes.index(layers.nodes[len(layers) - depth])
    rows, of_images = _rows_of_images(body, graph, size), _made_of_images(nodes)
    last_use = [max(_last_use(graph, i) for graph in (nodes, other)) for i in range(limit)]
    for place in range(limit, 1, -1):
        alive = [i for i in range(place) if nodes[i] in of_images and last_use[i] >= place]
        if len(alive) == 1 and nodes[alive[0]] in rows and nodes[alive[0]].op != "placeholder":
            break
    else:
        raise ValueError("no earlier place where one tensor alone is alive, with the images as its rows")
    [cut] = alive
    first, copied = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in nodes[:place]:
        copied[node] = first.node_copy(node, copied.__getitem__)
    first.output(copied[nodes[cut]])
    name = layers.layers[layers.nodes.index(nodes[cut])].name
    return name, first, _tail(nodes, place, cut), _tail(other, place, cut)


def _rows_of_images(body: nn.Module, graph: fx.Graph, size: int) -> set[fx.Node]:
    """The nodes that give a tensor with the images as its rows, found by running the graph without computing anything."""
    rows = set[fx.Node]()

    class Shapes(fx.Interpreter):
        def run_node(self, n: fx.Node) -> object:
            value = super().run_node(n)
            if isinstance(value, torch.Tensor) and value.shape[:1] == (IMAGES,):
                rows.add(n)
            return value

    with evaluating(body), torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True) as mode:
        Shapes(body, graph=graph).run(mode.from_tensor(_draw(body, IMAGES, size)))
    return rows


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
    graph, of_images = fx.Graph(), _made_of_images(nodes)
    copied = {nodes[cut]: graph.placeholder("outputs")}
    for i, node in enumerate(nodes):
        if i >= place or node not in of_images:
            copied[node] = graph.node_copy(node, copied.__getitem__)
    for node in reversed(nodes[:place]):
        if node in copied and node is not nodes[cut] and not copied[node].users:
            graph.erase_node(copied[node])
    return graph


def _check(parts: Split, size: int) -> None:
    """Compare parts with their body: features in both modes, gradients, and that an image's row depends on it alone.

    The body's running statistics change.
    """
    body, images = parts.body, _draw(parts.body, 3, size)
    differs = "the parts give something else than the whole"
    with torch.no_grad(), evaluating(body):
        outputs = parts.frozen(images)
        alone = torch.cat([parts.frozen(images[:1]), parts.frozen(images[1:])])
        _compare(alone, outputs, f"what {parts.place} gives for an image depends on the other images", ALIKE)
        _compare(parts.tail(outputs), body.forward(images), f"features: {differs}")
        outputs = parts.frozen(images)
    features, gradients = _train_step(body, body.forward, images)
    got, got_gradients = _train_step(body, parts.tail, outputs)
    _compare(got, features, f"features in train mode: {differs}")
    rounding = ROUNDING * max((float(gradient.abs().max()) for gradient in gradients), default=0.0)
    for a, b in zip(got_gradients, gradients, strict=True):
        _compare(a, b, f"gradients: {differs}", rounding=rounding)


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


def _draw(body: nn.Module, batch: int, size: int) -> torch.Tensor:
    """Random images [batch, 3, size, size] on the body's device; the global generators are left alone."""
    example = next(body.parameters())
    images = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(1))
    return images.to(example.device, example.dtype)


def _compare(got: torch.Tensor, wanted: torch.Tensor, problem: str, tolerance: float = CLOSE, rounding: float = 0.0) -> None:
    torch.testing.assert_close(got, wanted, rtol=0, atol=tolerance * float(wanted.abs().max()) + rounding, msg=problem)
