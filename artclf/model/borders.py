"""The cut at the border of a module, for a body whose graph can't be traced.

The prefix runs the body until a module is entered, and gives what it is given. The suffix runs the body again, with what
crossed as that module's input; the modules that were done before do not run, but give tensors that have sizes and no
values. So code between modules runs as it is written. Whatever is made of a tensor without values has none itself: that
features have values proves that nothing else crosses the border. Code that branches on values raises an error.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_flatten, tree_unflatten

from artclf.model.parts import Prefix, Suffix, check, draw, evaluating, is_plain, scale


class _EnteredError(Exception):
    """The way out of the body: the module at the border was entered, and given these values."""

    def __init__(self, given: list[Any]) -> None:
        super().__init__()
        self.given = given


@dataclass
class _Call:
    """One call of a module.

    Attributes:
        name: the module's.
        start, end: when it began and ended, in calls.
        outer: the call that it was within; None if that was the body's.
        given: how many arguments it was given, flattened.
        gave: its outputs, flattened.
        nesting: how the outputs are nested.
    """

    name: str
    start: int
    outer: "_Call | None"
    given: int
    gave: "list[_Leaf]" = field(default_factory=list)
    nesting: Any = None
    end: int = -1


@dataclass(frozen=True)
class _Leaf:
    """A value that a module gave: a tensor's type, sizes and (of integers) values, or a plain value."""

    dtype: torch.dtype | None
    value: Any
    integers: torch.Tensor | None = None


_Gift = Callable[[int, "_Blanks"], Any]


class _Blanks:
    """Makes tensors that have sizes and no values, for one run of a body."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)

    def tensor(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        with self.mode:
            return torch.empty(shape, dtype=dtype, device=self.device)


def cut_at_module(body: nn.Module, trained: Sequence[str], size: int) -> tuple[Prefix, Suffix]:
    """Cut a body at the latest border before which none of the parameters that train is used.

    Args:
        body: a body, in the modes in which it is to be trained.
        trained: names of the parameters that train.
        size: pixels a side of the pictures.

    Returns:
        The prefix and the suffix, checked.

    Raises:
        ValueError: where there is no such border.
    """
    if not trained:
        raise ValueError("no parameter trains behind this cut")
    try:
        two, three = (_record(body, draw(body, batch, size)) for batch in (2, 3))
    except Exception as error:
        raise ValueError(f"this body takes no pictures of {size} × {size} pixels: {error}") from error
    if [(call.name, call.end) for call in two] != [(call.name, call.end) for call in three]:
        raise ValueError("its modules run in another order on other pictures")
    limit = _first_use(two, trained)
    times = Counter(call.name for call in two)
    refused = "every module that begins before has parameters that train, or runs more than once"
    for call in reversed(two):
        if call.start > limit or times[call.name] > 1:
            continue
        try:
            border = _Border(body, call, two, three, size)
            with evaluating(body), torch.no_grad():  # finds most borders that do not fit at a lower price than `check`
                border.after(*border.before(draw(body, 1, size)))
            which = [f"input {i + 1}" for i in border.crossing] if call.given > 1 else ["the input"]
            prefix = Prefix(body, border.before, tuple(f"{what} of {call.name}" for what in which), size)
            # it swaps forwards, which a compiler would have to guard
            suffix = Suffix(torch.compiler.disable(border.after))  # type: ignore[no-untyped-call]
            check(body, prefix, suffix, trained, size)
        except Exception as error:  # noqa: BLE001 (the body's own code runs, in ways that it was not written for)
            refused = f"the earliest, {call.name}: {error}"
        else:
            return prefix, suffix
    raise ValueError(f"no border between its modules fits ({refused})")


class _Border:
    """A body cut where a module is entered.

    Attributes:
        crossing: which of the values that the module is given cross; others it is given behind the border too.
    """

    def __init__(self, body: nn.Module, at: _Call, calls: Sequence[_Call], others: Sequence[_Call], size: int) -> None:
        self.body, self.module, self.name, self.size = body, body.get_submodule(at.name), at.name, size
        self.gifts = defaultdict[nn.Module, list[_Gift]](list)
        for a, b in zip(calls, others, strict=True):
            # The outermost of those that are done. One without parameters runs, as code does: what it makes of positions has
            # values.
            module = body.get_submodule(a.name)
            if a.end < at.start and (a.outer is None or a.outer.end > at.start) and any(True for _ in module.parameters()):
                self.gifts[module].append(_gift(a, b))

        def leave(*args: Any, **kwargs: Any) -> Any:
            raise _EnteredError(tree_flatten((args, kwargs))[0])

        self.leave, self.crossing = leave, list[int]()
        device = next(body.parameters()).device
        try:
            self._go_on(2, device, leave)
        except _EnteredError as entered:
            self.crossing = [i for i, value in enumerate(entered.given) if isinstance(value, FakeTensor)]
        if not self.crossing:
            raise ValueError("it is given nothing that the pictures determine")

    def before(self, pictures: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the prefix does."""
        try:
            with _replaced({self.module: self.leave}):
                self.body.forward(pictures)
        except _EnteredError as entered:
            return tuple(entered.given[i] for i in self.crossing)
        raise RuntimeError(f"{self.name} did not run")

    def after(self, *tensors: torch.Tensor) -> torch.Tensor:
        """What the suffix does."""
        forward = self.module.forward

        def enter(*args: Any, **kwargs: Any) -> Any:
            values, nesting = tree_flatten((args, kwargs))
            for i, tensor in zip(self.crossing, tensors, strict=True):
                values[i] = tensor
            args, kwargs = tree_unflatten(values, nesting)
            return forward(*args, **kwargs)

        features = self._go_on(len(tensors[0]), tensors[0].device, enter)
        if isinstance(features, FakeTensor):
            raise ValueError(f"more than the input of {self.name} is needed behind it")
        return features

    def _go_on(self, batch: int, device: torch.device, enter: Callable[..., Any]) -> torch.Tensor:
        """Run the body on pictures without values, with something else to do where the module is entered."""
        blanks = _Blanks(device)
        stubs = {
            module: _stub([partial(gift, batch, blanks) for gift in gifts], module.forward)
            for module, gifts in self.gifts.items()
        }
        gradients = torch.is_grad_enabled()

        def enter_with_gradients(*args: Any, **kwargs: Any) -> Any:
            torch.set_grad_enabled(gradients)
            return enter(*args, **kwargs)

        with torch.no_grad(), _replaced({**stubs, self.module: enter_with_gradients}):  # nothing trains before the border
            dtype = next(self.body.parameters()).dtype
            features: torch.Tensor = self.body.forward(blanks.tensor((batch, 3, self.size, self.size), dtype))
        return features


def _record(body: nn.Module, pictures: torch.Tensor) -> list[_Call]:
    """Run a body in eval mode and list the calls of its modules, in the order in which they begin."""
    calls, open_calls, clock = list[_Call](), list[_Call](), count()

    def begin(name: str, module: nn.Module, args: Any, kwargs: Any) -> None:  # noqa: ARG001 (hooks are given it)
        given = len(tree_flatten((args, kwargs))[0])
        calls.append(_Call(name, next(clock), open_calls[-1] if open_calls else None, given))
        open_calls.append(calls[-1])

    def end(module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG001
        call = open_calls.pop()
        leaves, call.nesting = tree_flatten(output)
        call.gave, call.end = [_leaf(value) for value in leaves], next(clock)

    with ExitStack() as hooks, evaluating(body), torch.no_grad():
        for name, module in body.named_modules():
            if name:
                hooks.callback(module.register_forward_pre_hook(partial(begin, name), with_kwargs=True).remove)
                hooks.callback(module.register_forward_hook(end).remove)
        body.forward(pictures)
    return calls


def _first_use(calls: Sequence[_Call], trained: Sequence[str]) -> int:
    """When the first module begins that holds one of some parameters, or calls for the one that does."""
    starts = dict[str, int]()
    for call in calls:
        starts.setdefault(call.name, call.start)
    uses = []
    for name in trained:
        owner = name.rpartition(".")[0]
        while owner and owner not in starts:  # not called itself: its parent takes the parameter from it
            owner = owner.rpartition(".")[0]
        uses.append(starts.get(owner, -1))
    return min(uses)


def _leaf(value: Any) -> _Leaf:
    if isinstance(value, torch.Tensor):
        return _Leaf(value.dtype, tuple(value.shape), None if value.is_floating_point() else value.clone())
    return _Leaf(None, value)


def _gift(two: _Call, three: _Call) -> _Gift:
    """What a module gives when it does not run: tensors without values, but integers that are the same for all pictures."""
    gifts = [_gift_of(a, b) for a, b in zip(two.gave, three.gave, strict=True)]
    nesting = two.nesting
    return lambda batch, blanks: tree_unflatten([gift(batch, blanks) for gift in gifts], nesting)


def _gift_of(two: _Leaf, three: _Leaf) -> _Gift:
    if not is_plain(two.value, three.value):
        raise ValueError("a module gives something that is no tensor and no number")
    if two.dtype is None:
        return lambda batch, _: scale(two.value, three.value, batch)
    dtype = two.dtype
    if two.integers is not None and three.integers is not None:
        for kept in (two.integers, two.integers[:1]) if two.integers.ndim else (two.integers,):
            if all(_is_everywhere(kept, leaf) for leaf in (two.integers, three.integers)):
                return lambda batch, blanks: kept.to(blanks.device).expand(scale(two.value, three.value, batch))
    return lambda batch, blanks: blanks.tensor(scale(two.value, three.value, batch), dtype)


def _is_everywhere(kept: torch.Tensor, positions: torch.Tensor) -> bool:
    sizes = zip(kept.shape, positions.shape, strict=True)
    return all(a in (1, b) for a, b in sizes) and torch.equal(kept.expand_as(positions), positions)


def _stub(gifts: Sequence[Callable[[], Any]], forward: Callable[..., Any]) -> Callable[..., Any]:
    """A forward that gives its gifts, one a call, and after them does what a module does."""
    left = iter(gifts)

    def give(*args: Any, **kwargs: Any) -> Any:
        gift = next(left, None)
        return forward(*args, **kwargs) if gift is None else gift()

    return give


@contextmanager
def _replaced(forwards: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Let modules do something else when they are called."""
    before = {module: module.__dict__.get("forward") for module in forwards}
    try:
        for module, forward in forwards.items():
            module.__dict__["forward"] = forward
        yield
    finally:
        for module, own in before.items():
            module.__dict__.pop("forward", None)
            if own is not None:
                module.__dict__["forward"] = own
