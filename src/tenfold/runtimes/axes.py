"""The sizes of its inputs that a file leaves open: read off a graph, and tried on the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from tenfold.network.batching import takes
from tenfold.network.inputs import leaves, mapped

Place = tuple[int, int]  # an input tensor, by its number, and an axis of it
Group = tuple[Place, ...]  # places that are of one length
# How much longer, or shorter, inputs are when other sizes are tried: each axis its own, so that
# mixed-up ones show, then all alike, as networks that halve and join again want it.
TRIES = ((1.5, 2.0), (2.0,), (0.5,))


@dataclass(frozen=True)
class Axes:
    """What stays open: the batch, the first axis of every input, and ``sizes``, further axes."""

    batch: bool = False
    sizes: tuple[Group, ...] = ()

    def by_input(self, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """The open axes of each input that has some."""
        places = {place for group in self.sizes for place in group}
        found = {
            name: tuple(axis for number, axis in sorted(places) if number == which)
            for which, name in enumerate(names)
        }
        return {name: axes for name, axes in found.items() if axes}


def axes_of(program: ExportedProgram) -> Axes:
    """What a graph leaves open."""
    shapes = [x.shape for x in inputs_of(program)]
    groups: dict[str, list[Place]] = {}
    for number, shape in enumerate(shapes):
        for axis, size in enumerate(shape):
            if axis and not is_concrete_int(size):
                groups.setdefault(str(size), []).append((number, axis))
    first = [shape[0] for shape in shapes if len(shape)]
    batch = bool(first) and not any(is_concrete_int(size) for size in first)
    return Axes(batch, tuple(map(tuple, groups.values())))


def inputs_of(program: ExportedProgram) -> list[Any]:
    """The tensors, of symbolic shape, that a graph takes."""
    given = set(program.graph_signature.user_inputs)
    return [node.meta["val"] for node in program.graph.nodes if node.name in given]


def other_sizes(example: Any, groups: Sequence[Group]) -> Iterator[Any]:
    """The example at other sizes along these axes."""
    for factors in TRIES:
        yield stretched(example, dict(zip(groups, cycle(factors))))


def runs_at(model: nn.Module, examples: Iterable[Any]) -> Any | None:
    """The first of the examples that the model runs on, or None."""
    return next((example for example in examples if takes(model, example)), None)


def refused(model: nn.Module, example: Any, groups: Sequence[Group]) -> list[Group]:
    """The axes along which the model itself does not take other sizes."""
    if not groups or runs_at(model, other_sizes(example, groups)) is not None:
        return []
    alone = [group for group in groups if runs_at(model, other_sizes(example, [group])) is None]
    return alone or list(groups)


def stretched(example: Any, factors: dict[Group, float]) -> Any:
    """The example repeated or cut along axes, to so many times the length."""
    numbers = iter(range(len(leaves(example))))

    def one(x: Tensor) -> Tensor:
        number = next(numbers)
        for group, factor in factors.items():
            for _, axis in (place for place in group if place[0] == number):
                x = resized(x, axis, max(1, round(factor * x.shape[axis])))
        return x

    return mapped(one, example)


def resized(x: Tensor, axis: int, length: int) -> Tensor:
    """A tensor repeated or cut to a length along an axis."""
    times = [1] * x.ndim
    times[axis] = -(-length // x.shape[axis])
    return x.repeat(times).narrow(axis, 0, length).contiguous()
