"""A body's executed graph, and the cut through it.

A tensor may cross the cut if it has the pictures as its rows. What else is needed behind it is not kept but computed again
there: parameters and what is made of them alone, numbers such as B = x.shape[0], parts of a tuple, windows [B·49, …].
"""

import inspect
import math
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from operator import attrgetter
from typing import Any

import torch
import torchvision
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.node import Argument
from torchvision.models.feature_extraction import NodePathTracer

from artclf.model.parts import Prefix, Suffix, draw, evaluating, is_plain, modes_kept, scale


def trace(body: nn.Module) -> dict[fx.Node, str]:
    """Trace a body in the modes in force; its nodes in the order in which they run, each with its name.

    timm's modules and functions that can't be traced through are taken as one node each, as timm declares them. Of the
    arguments of its forward only the first is a variable, the others are what they are by default.

    Raises:
        Exception: of any kind; it runs the body's own code on symbols.
    """
    optional = {
        name: argument.default
        for name, argument in list(inspect.signature(body.forward).parameters.items())[1:]
        if argument.default is not inspect.Parameter.empty
    }
    tracer = _tracer()
    with modes_kept(body), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fx would assert at every call that the defaults are kept, and tells where it can't
        graph = tracer.trace(body, concrete_args=optional)
    pictures = next(iter(graph.nodes))
    unused = [node for node in graph.nodes if node.op == "placeholder" and node is not pictures]
    for node in unused:  # and the assertions on them
        unused += [user for user in node.users if user not in unused]
    for node in reversed(unused):
        graph.erase_node(node)
    return {node: tracer.node_to_qualname.get(node, node.name) for node in graph.nodes}


def cut_graph(
    body: nn.Module, names: Mapping[fx.Node, str], first: fx.Node, training: Iterable[str], size: int
) -> tuple[Prefix, Suffix]:
    """Cut a body before a node of its graph, or earlier where the modes make a difference earlier.

    A graph keeps the mode of functional dropout that it was traced in, so the suffix has a graph for either mode.

    Args:
        body: a body, in the modes in which it is to be trained.
        names: of `trace(body)` in eval mode.
        first: the first node that is to be in the suffix.
        training: names of modules that are in train mode when the suffix trains.
        size: pixels a side of the pictures.

    Returns:
        The prefix and the suffix, unchecked.

    Raises:
        Exception: of any kind; it runs the body's own code on symbols and on random pictures.
    """
    nodes, other = list(names), list(trace(body))
    place = min(nodes.index(first), _first_difference(body, nodes, other))
    kinds = _kinds(body, nodes[:place], size)
    needed = _needs(nodes, place, kinds) | _needs(other, place, kinds)
    crossing = sorted(i for i in needed if kinds[i] is _Kind.ROWS)
    if not crossing:
        raise ValueError("nothing of the pictures crosses the cut")
    ahead, copied = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in nodes[:place]:
        copied[node] = ahead.node_copy(node, copied.__getitem__)
    ahead.output(tuple(copied[nodes[i]] for i in crossing))
    evaluated, trained = (_bound(body, _behind(graph, place, crossing, kinds)) for graph in (nodes, other))
    deciding = [body.get_submodule(name) for name in training]

    def run(*tensors: torch.Tensor) -> torch.Tensor:
        part = trained if any(module.training for module in deciding) else evaluated
        features: torch.Tensor = part(*tensors)
        return features

    called = tuple("pictures" if nodes[i].op == "placeholder" else names[nodes[i]] for i in crossing)
    return Prefix(body, _bound(body, ahead), called, size), Suffix(run)


class _Kind(Enum):
    """What a node gives: a tensor with the pictures as its rows, or something that can't cross."""

    ROWS = auto()
    OTHER = auto()


@dataclass(frozen=True)
class _Plain:
    """A number, or a tuple of them, that the batch size determines; see `scale`."""

    two: Any
    three: Any


class _Watcher(fx.Interpreter):
    """Runs nodes on pictures and notes what each gives: a tensor's sizes, or a plain value as it is."""

    def __init__(self, body: nn.Module, nodes: Sequence[fx.Node], pictures: torch.Tensor) -> None:
        graph, copied = fx.Graph(), dict[fx.Node, fx.Node]()
        for node in nodes:
            copied[node] = graph.node_copy(node, copied.__getitem__)
        super().__init__(body, graph=graph)
        self.seen: list[tuple[str, Any]] = []
        self.run(pictures)

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, torch.Tensor):
            self.seen.append(("tensor", tuple(value.shape)))
        else:
            self.seen.append(("plain", value) if is_plain(value, value) else ("other", None))
        return value


def _kinds(body: nn.Module, nodes: Sequence[fx.Node], size: int) -> list[_Kind | _Plain]:
    """What each node gives, found by running them on 2 and on 3 pictures: on their sizes alone, where that can be."""
    with evaluating(body), torch.no_grad():
        try:
            with FakeTensorMode(allow_non_fake_inputs=True) as sizes:
                blank = [sizes.from_tensor(draw(body, batch, size)) for batch in (2, 3)]
                two, three = (_Watcher(body, nodes, pictures).seen for pictures in blank)
        except Exception:  # noqa: BLE001 (code that branches on values, or that tensors without values can't go through)
            two, three = (_Watcher(body, nodes, draw(body, batch, size)).seen for batch in (2, 3))
    kinds: list[_Kind | _Plain] = []
    for (sort, a), (_, b) in zip(two, three, strict=True):
        if sort == "tensor" and (a[:1], b[:1], a[1:]) == ((2,), (3,), b[1:]):
            kinds.append(_Kind.ROWS)
        else:
            kinds.append(_Plain(a, b) if sort == "plain" and is_plain(a, b) else _Kind.OTHER)
    return kinds


def _needs(nodes: Sequence[fx.Node], place: int, kinds: Sequence[_Kind | _Plain]) -> set[int]:
    """Which of the nodes before a place have to cross it or to be computed behind it."""
    places = {node: i for i, node in enumerate(nodes)}
    to_do = [places[used] for node in nodes[place:] for used in node.all_input_nodes if places[used] < place]
    needed = set[int]()
    while to_do:
        i = to_do.pop()
        if i not in needed:
            needed.add(i)
            if kinds[i] is _Kind.OTHER:
                to_do += [places[used] for used in nodes[i].all_input_nodes]
    return needed


def _behind(nodes: Sequence[fx.Node], place: int, crossing: Sequence[int], kinds: Sequence[_Kind | _Plain]) -> fx.Graph:
    """The graph behind a place, from what crosses it."""
    graph, had = fx.Graph(), dict[fx.Node, Argument]()
    for i in crossing:
        had[nodes[i]] = graph.placeholder(nodes[i].name)
    batch = graph.call_method("size", (had[nodes[crossing[0]]], 0))
    for i in sorted(_needs(nodes, place, kinds).difference(crossing)):
        match kinds[i]:
            case _Plain(two, three):
                had[nodes[i]] = two if two == three else graph.call_function(scale, (two, three, batch))
            case _:
                had[nodes[i]] = graph.node_copy(nodes[i], had.__getitem__)
    for node in nodes[place:]:
        had[node] = graph.node_copy(node, had.__getitem__)
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
        said = [repr(fx.node.map_arg((node.args, node.kwargs), places.__getitem__)) for node in (a, b)]
        return a.op == b.op and a.target == b.target and said[0] == said[1]

    pairs = enumerate(zip(nodes, other, strict=False))
    return next((i for i, (a, b) in pairs if not same(a, b)), min(len(nodes), len(other)))


def _tracer() -> NodePathTracer:
    """torchvision's tracer as its `get_graph_node_names` sets it up, and timm's declarations where timm is loaded."""
    leaves = [kind for _, kind in inspect.getmembers(torchvision.ops, inspect.isclass) if issubclass(kind, nn.Module)]
    functions = []
    if timm_models := sys.modules.get("timm.models"):
        leaves += timm_models.get_notrace_modules()
        leaves.append(sys.modules["timm.layers"].DropPath)  # in eval mode it would leave no trace, and never train
        functions = timm_models.get_notrace_functions()
    return NodePathTracer(autowrap_modules=(math, torchvision.ops), autowrap_functions=tuple(functions), leaf_modules=leaves)
