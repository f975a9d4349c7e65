"""Passes of a network that is changed layer by layer, each begun where the last one came to.

What the modules put out before the first call of any layer that may still change is what they will
put out in every later pass: it is kept, a batch at a time, and given back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tenfold.network.replay import NOTHING, Call, Recorder, is_plain, recording, replaying
from tenfold.network.watch import watching_inputs


class Resumed:
    """What modules of a network are known to put out, for each of ``count`` batches, in no more
    than ``most`` bytes together."""

    def __init__(self, modules: Collection[nn.Module], count: int, most: float) -> None:
        self.modules, self.room = modules, most / max(1, count)
        self.known = [NOTHING] * count

    @contextmanager
    def over(self, index: int, changing: Collection[nn.Module] = ()) -> Iterator[None]:
        """A pass over the batch of this index inside runs what is not known yet, and what it runs
        before any of the ``changing`` layers is known from then on."""
        known = self.known[index]
        recorder = Outermost(self.room, known)
        with (
            replaying(known),
            watching_inputs(dict.fromkeys(changing, recorder.stop)),
            recording(self.modules, recorder),
        ):
            yield
        self.known[index] = recorder.recording


class Outermost(Recorder):
    """Keeps of calls inside of each other the outer one, and none from a stop on."""

    def add(self, call: Call) -> None:
        """Keep a call in the place of those that are inside, or these where there is no room."""
        inner = sum(one.output.nbytes for one in self.calls[call.start :])
        if self.room + inner >= call.output.nbytes:
            self.room += inner
            del self.calls[call.start :]
        super().add(call)

    def stop(self, layer: nn.Module, inputs: object) -> None:
        """What ends from here on is not settled, and there is no room for it."""
        self.room = float("-inf")


def working_layers(model: nn.Module, names: Collection[str]) -> list[nn.Module]:
    """The named layers, as a whole each, and all others with a weight of two modes or more. Those
    that somebody gave a forward of their own are left out."""
    named = list(dict.fromkeys(model.get_submodule(name) for name in names))
    inside = {part for layer in named for part in layer.modules()}
    others = (m for m in model.modules() if m not in inside and works(m))
    return [layer for layer in (*named, *others) if is_plain(layer)]


def works(module: nn.Module) -> bool:
    """Whether a module has a weight of its own, other than a norm's."""
    norm = isinstance(module, _BatchNorm)
    return not norm and any(p.ndim > 1 for p in module.parameters(recurse=False))


def changes_elsewhere(model: nn.Module, layers: Sequence[nn.Module]) -> bool:
    """Whether a layer has a parameter that another module has too, so that to change the one is to
    change the other."""
    inside = {id(part) for layer in layers for part in layer.modules()}
    own = [id(p) for layer in layers for p in layer.parameters()]
    rest = (m for m in model.modules() if id(m) not in inside)
    others = {id(p) for module in rest for p in module.parameters(recurse=False)}
    return len(own) > len(set(own)) or not others.isdisjoint(own)
