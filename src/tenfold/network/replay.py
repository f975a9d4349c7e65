"""What a network computes before a replaced layer is what the original computed: it is kept, and
only what follows is run.

The outputs of the layers that hold the work, and of the modules around them, are recorded once a
batch. A pass with one layer replaced is given back those that ended before its first call, the
outermost ones. What lies between them runs as ever, so that any control flow is served.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.network.watch import forwards_replaced, watching, watching_inputs

MOST = 2**30  # bytes of outputs that are kept, of all batches together


@dataclass(frozen=True)
class Call:
    """A module, what it put out, and how many of the recorded calls had ended when it began."""

    layer: nn.Module
    output: Tensor
    start: int


@dataclass(frozen=True)
class Recording:
    """Calls in the order in which they ended in one pass, and how many of them had ended when a
    module was first called."""

    calls: tuple[Call, ...] = ()
    begins: Mapping[nn.Module, int] = field(default_factory=dict)

    def before(self, layers: Collection[nn.Module]) -> Recording:
        """The outermost calls that had ended when the first of any of these layers began."""
        ended = min((self.begins[x] for x in layers if x in self.begins), default=len(self.calls))
        return Recording(outermost(self.calls[:ended]))

    def of(self, layers: Collection[nn.Module]) -> Recording:
        """The calls of these layers alone, none of which is inside another."""
        kept = [k for k, call in enumerate(self.calls) if call.layer in layers]
        calls = (Call(self.calls[k].layer, self.calls[k].output, n) for n, k in enumerate(kept))
        begins = {x: sum(k < self.begins[x] for k in kept) for x in self.begins if x in layers}
        return Recording(tuple(calls), begins)


NOTHING = Recording()


def outermost(calls: Sequence[Call]) -> tuple[Call, ...]:
    """Those that are inside no other, each with its place as its start."""
    found, at = [], len(calls) - 1
    while at >= 0:
        found.append(calls[at])
        at = calls[at].start - 1
    return tuple(Call(c.layer, c.output, k) for k, c in enumerate(reversed(found)))


class Recorder:
    """Notes calls as they end, as many as ``most`` bytes hold; the first of them are known."""

    def __init__(self, most: float, known: Recording = NOTHING) -> None:
        self.calls, self.passed = list(known.calls), 0
        self.room = most - sum(call.output.nbytes for call in self.calls)
        self.begun: list[tuple[nn.Module, int, int]] = []
        self.begins: dict[nn.Module, int] = {}

    @property
    def recording(self) -> Recording:
        """What was noted."""
        return Recording(tuple(self.calls), self.begins)

    def begin(self, layer: nn.Module, inputs: Any) -> None:
        """A module is called."""
        self.begins.setdefault(layer, self.passed)
        self.begun.append((layer, self.passed, versions(inputs)))

    def end(self, layer: nn.Module, inputs: Any, output: Any) -> None:
        """A module has answered. One that puts out anything but a tensor, or works in place on
        what it is given, is not noted, but what is inside is."""
        while self.begun[-1][0] is not layer:
            self.begun.pop()  # it ended in an error that somebody caught
        _, start, version = self.begun.pop()
        if not isinstance(output, Tensor) or versions(inputs) != version:
            return
        if self.passed < len(self.calls):
            self.passed += self.calls[self.passed].layer is layer
        else:
            self.add(Call(layer, output, start))

    def add(self, call: Call) -> None:
        """Keep a call, if there is room; what is around it may still find some."""
        if self.room >= call.output.nbytes:
            self.room -= call.output.nbytes  # what follows may work in place on it:
            self.calls.append(Call(call.layer, call.output.clone(), call.start))
            self.passed = len(self.calls)


def versions(inputs: Any) -> int:
    """Counts what is done in place to tensors."""
    return sum(x._version for x in inputs if isinstance(x, Tensor) and not x.is_inference())


@contextmanager
def recording(layers: Iterable[nn.Module], recorder: Recorder) -> Iterator[None]:
    """The recorder is told of the calls of the layers inside."""
    watched = dict.fromkeys(layers)
    with (
        watching_inputs(dict.fromkeys(watched, recorder.begin)),
        watching(dict.fromkeys(watched, recorder.end)),
    ):
        yield


@contextmanager
def replaying(recorded: Recording) -> Iterator[None]:
    """Recorded layers put out what they did, for as long as they are called in the same order."""
    left = list(reversed(recorded.calls))
    own = {call.layer: call.layer.forward for call in left}

    def play(layer: nn.Module, *inputs: Any, **named: Any) -> Any:
        if left and left[-1].layer is layer:
            return left.pop().output.clone()
        left.clear()
        return own[layer](*inputs, **named)

    with forwards_replaced({layer: MethodType(play, layer) for layer in own}):
        yield


def composites_in(model: nn.Module) -> list[nn.Module]:
    """The modules inside the model that are made of others."""
    inside = (m for m in model.modules() if m is not model)
    return [m for m in inside if is_plain(m) and next(m.children(), None) is not None]


def is_plain(module: nn.Module) -> bool:
    """Whether a module has the forward of its class, in Python, in place of which another can be
    put for a while."""
    return "forward" not in vars(module) and not isinstance(module, torch.jit.ScriptModule)
