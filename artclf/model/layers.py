"""The layers of a body in order, and what frozen means.

A layer is a node of the executed graph: a convolution, a normalisation, an activation, an addition. torchvision's tracer
lists them in the order in which they run; ResNet-50's last ten before the pool are exactly `layer4.2`.
"""

import hashlib
import inspect
import logging
import math
import sys
import warnings
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
import torchvision
from torch import fx, nn
from torchvision.models.feature_extraction import NodePathTracer

from artclf.errors import ArtclfError
from artclf.model.backbones import Backbone, evaluating
from artclf.model.lora import PREFIX

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layer:
    """One layer of a body."""

    name: str  # "layer4.2.add"
    kind: str  # "Conv2d", "add"
    parameters: tuple[str, ...]  # those that no earlier layer uses


@dataclass(frozen=True)
class Layers:
    """A body and its layers in the order in which they run, without the final pooling."""

    body: nn.Module
    layers: tuple[Layer, ...]
    nodes: tuple[fx.Node, ...] = ()  # in the graph of eval mode; none where the body can't be traced

    def __len__(self) -> int:
        return len(self.layers)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Layers":
        """A copy of the body; the graph, which names its modules and holds none, is shared."""
        return Layers(deepcopy(self.body, memo), self.layers, self.nodes)

    def trained(self, depth: int) -> tuple[Layer, ...]:
        """The last `depth` layers."""
        return self.layers[len(self) - depth :]

    def resolve(self, unfreeze: int | str, backbone: Backbone, key: str) -> int:
        """Return how many layers, counted from the end, a setting unfreezes. ArtclfError where the setting is invalid.

        Args:
            unfreeze: a number, which is rounded up to whole blocks in a transformer; "all", "last_block", or "auto"
                (0 with pretrained weights, all with random ones).
            backbone: the body's weights and last block.
            key: the setting's name, for messages.
        """
        if unfreeze not in (0, "auto") and not any(True for _ in self.body.parameters()):
            raise ArtclfError(f"{key}: got {unfreeze!r}; allowed: 0, as an ONNX encoder stays frozen, and only its head trains")
        match unfreeze:
            case "all":
                return len(self)
            case "auto":
                return len(self) if backbone.weights == "random" else 0
            case "last_block":
                for i, layer in enumerate(self.layers):
                    if _within(layer.name, backbone.last_block):
                        return len(self) - i
                raise ArtclfError(f"{key}=last_block: this backbone has no known last block; give a number of layers")
            case int() if 0 <= unfreeze <= len(self):
                return self._whole_block(unfreeze)
        raise ArtclfError(f"{key}: got {unfreeze!r}; allowed: 0 to {len(self)} (this backbone's layers), last_block, all")

    def _whole_block(self, depth: int) -> int:
        """A depth, increased to the beginning of a transformer's block where it ends within one."""
        if depth in (0, len(self)):
            return depth
        parts = self.layers[len(self) - depth].name.split(".")
        for length in range(1, len(parts)):
            block = ".".join(parts[:length])
            if {"attn", "mlp"} <= dict(self.body.get_submodule(block).named_children()).keys():
                return max(len(self) - i for i, layer in enumerate(self.layers) if _within(layer.name, block))
        return depth

    def set_depth(self, depth: int) -> None:
        """Freeze all but the last `depth` layers: no gradient, and eval mode, in which BatchNorm's statistics do not move."""
        trained = {name for layer in self.trained(depth) for name in layer.parameters}
        for name, parameter in self.body.named_parameters():
            parameter.requires_grad = depth == len(self) or name in trained
        self.set_modes(depth)

    def set_modes(self, depth: int) -> None:
        """Put frozen modules into eval mode and the others into train mode; Lightning or a user may have changed them."""
        trained = [layer.name for layer in self.trained(depth)]
        for name, module in self.body.named_modules():
            # set on the module alone: its children have their own turn
            module.training = depth == len(self) or any(_within(name, t) or _within(t, name) for t in trained)

    def frozen_state(self, depth: int) -> dict[str, torch.Tensor]:
        """The parameters and buffers of the body that do not change while its last `depth` layers train, by name."""
        if any(PREFIX in name for name, _ in self.body.named_parameters()):
            return {name: tensor for name, tensor in self.body.state_dict().items() if PREFIX not in name}
        if depth == len(self):
            return {}
        trained = [name for layer in self.trained(depth) for name in (layer.name, *layer.parameters)]
        return {name: tensor for name, tensor in self.body.state_dict().items() if not any(_within(name, t) for t in trained)}

    def frozen_digest(self, depth: int) -> str:
        """The SHA-256 of `frozen_state`."""
        sha = hashlib.sha256()
        for name, tensor in self.frozen_state(depth).items():
            sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            sha.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        return sha.hexdigest()


def list_layers(body: nn.Module) -> Layers:
    """List the layers of a body (images [B, 3, S, S] → features [B, D]).

    A body without parameters, an ONNX encoder, is one layer. Where a body can't be traced, they are the modules that have
    parameters, in the order of their definition.
    """
    if not any(True for _ in body.parameters()):
        return Layers(body, (Layer("encoder", type(body).__name__, ()),))
    try:
        with evaluating(body):  # a graph keeps the mode of functional dropout that it was traced in
            names = trace(body)
    except Exception as error:  # noqa: BLE001 (tracing runs the body's own code on symbols: anything can be raised)
        log.info("The graph of this backbone can't be traced (%s); its layers are its modules", error)
        own = {
            name: Layer(
                name, type(module).__name__, tuple(f"{name}.{key}" for key, _ in module.named_parameters(recurse=False))
            )
            for name, module in body.named_modules()
        }
        return Layers(body, tuple(layer for name, layer in own.items() if name and layer.parameters))
    layers: dict[fx.Node, Layer] = {}
    used: set[str] = set()
    for node, name in names.items():
        if node.op not in ("placeholder", "output"):
            kind, parameters = _describe(node, body)
            layers[node] = Layer(name, kind, tuple(p for p in parameters if p not in used))
            used.update(parameters)
    children = {name.split(".")[0] for name, _ in body.named_parameters()}
    while layers and layers[next(reversed(layers))].name.split(".")[0] not in children:  # the final pooling and what follows
        layers.popitem()
    return Layers(body, tuple(layers.values()), tuple(layers))


def trace(body: nn.Module) -> dict[fx.Node, str]:
    """Trace a body in its current modes, within `evaluating`: the nodes in the order in which they run, each with its name.

    Only the first argument of its forward is a variable; the others have their defaults.
    """
    defaults = {
        name: argument.default
        for name, argument in list(inspect.signature(body.forward).parameters.items())[1:]
        if argument.default is not inspect.Parameter.empty
    }
    tracer = _tracer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fx would assert at every call that the defaults are kept, and warns where it can't
        graph = tracer.trace(body, concrete_args=defaults)
    images, *_ = graph.nodes
    unused = [node for node in graph.nodes if node.op == "placeholder" and node is not images]
    for node in unused:  # and the assertions on them
        unused += [user for user in node.users if user not in unused]
    for node in reversed(unused):
        graph.erase_node(node)
    return {node: tracer.node_to_qualname.get(node, node.name) for node in graph.nodes}


def _tracer() -> NodePathTracer:
    """torchvision's tracer, with what timm declares untraceable where timm is loaded."""
    leaves = [kind for _, kind in inspect.getmembers(torchvision.ops, inspect.isclass) if issubclass(kind, nn.Module)]
    functions = []
    if timm_models := sys.modules.get("timm.models"):
        leaves += timm_models.get_notrace_modules()
        leaves.append(sys.modules["timm.layers"].DropPath)  # in eval mode it would leave no trace, and never train
        functions = timm_models.get_notrace_functions()
    return NodePathTracer(autowrap_modules=(math, torchvision.ops), autowrap_functions=tuple(functions), leaf_modules=leaves)


def _within(name: str, module: str) -> bool:
    return not module or name == module or name.startswith(f"{module}.")


def _describe(node: fx.Node, body: nn.Module) -> tuple[str, list[str]]:
    """A node's kind, and the names of the parameters that it uses."""
    if not isinstance(node.target, str):
        return node.target.__name__, []
    if node.op == "call_module":
        module = body.get_submodule(node.target)
        return type(module).__name__, [f"{node.target}.{name}" for name, _ in module.named_parameters()]
    return node.target, [node.target] if node.op == "get_attr" and node.target in dict(body.named_parameters()) else []
