"""What a network computes before a replaced layer is what the original computed: it is kept, and
only what follows is run.

The outputs of the layers that hold the work are recorded once a batch, in the order of their calls.
A pass with one layer replaced is given back those before its first call. Layers between them, which
cost little, run as ever, so that any control flow is served.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import MethodType
from typing import Any

from torch import Tensor, nn

from tenfold.network.watch import forwards_replaced, watching

MOST = 2**30  # bytes of outputs that are kept, of all batches together


@dataclass(frozen=True)
class Recording:
    """Layers in the order of their calls, with what they put out in one pass."""

    calls: tuple[tuple[nn.Module, Tensor], ...] = ()

    def before(self, layers: Collection[nn.Module]) -> Recording:
        """The calls before the first of any of these layers."""
        for index, (layer, _) in enumerate(self.calls):
            if layer in layers:
                return Recording(self.calls[:index])
        return self


NOTHING = Recording()


@contextmanager
def recording(
    layers: Iterable[nn.Module], most: float, known: Recording = NOTHING
) -> Iterator[list[tuple[nn.Module, Tensor]]]:
    """Yields the calls of the layers inside, until they hold ``most`` bytes; the first of them are
    ``known``. A layer that puts out anything but a tensor is not recorded."""
    calls, passed = list(known.calls), 0
    room = most - sum(output.nbytes for _, output in calls)

    def note(layer: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal room, passed
        if not isinstance(output, Tensor):
            return
        passed += 1
        if passed <= len(known.calls):
            if known.calls[passed - 1][0] is not layer:
                room = -1.0  # other calls than were known: what follows has no place
            return
        room -= output.nbytes
        if room >= 0:
            calls.append((layer, output.clone()))  # what follows may work in place on it

    with watching(dict.fromkeys(layers, note)):
        yield calls


@contextmanager
def replaying(recorded: Recording) -> Iterator[None]:
    """Recorded layers put out what they did, for as long as they are called in the same order."""
    left = list(reversed(recorded.calls))
    own = {layer: layer.forward for layer, _ in left}

    def play(layer: nn.Module, *inputs: Any, **named: Any) -> Any:
        if left and left[-1][0] is layer:
            return left.pop()[1].clone()
        left.clear()
        return own[layer](*inputs, **named)

    with forwards_replaced({layer: MethodType(play, layer) for layer in own}):
        yield
