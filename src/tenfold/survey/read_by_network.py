"""What the network looks into: code that computes with a layer's weight, asks for its class or
hands it to a fused kernel cannot have a chain in its place, nor an opened compound in place of one.
A weight's type and device may be read, for a chain tells them as well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.compounds import closed_names, open_all, open_named, opened_names
from tenfold.errors import in_a_line
from tenfold.layers import pose
from tenfold.network.accept import unwrapped
from tenfold.network.call import run
from tenfold.network.difference import difference, tolerance
from tenfold.network.inputs import leaves

OTHER = "its outputs change with a chain in its place, though the chain computes the same"
OTHER_OPENED = "its outputs change when it is opened, though the parts compute the same"


@dataclass(frozen=True)
class Looks:
    """Why layers must stay what they are, and which may go if the chain passes for them."""

    reasons: Mapping[str, str]
    posing: frozenset[str]

    def joined(self, others: Looks) -> Looks:
        """What both say."""
        return Looks({**self.reasons, **others.reasons}, self.posing | others.posing)


def looked_into(model: nn.Module, names: Sequence[str], example: Any) -> Looks:
    """Layers in whose place a chain that computes the same makes the network fail on the example,
    or put out something else: with any chain, or with one that is of another class.

    Two forward passes where there are none, else one or two more a layer.
    """
    if not names:
        return Looks({}, frozenset())
    layers = {name: model.get_submodule(name) for name in names}
    usual = outputs_of(model, example)
    if trouble(model, plain(layers.values()), example, usual) is None:
        return Looks({}, frozenset())
    steady = same(usual, outputs_of(model, example))  # another draw of noise proves nothing
    reasons, posing = {}, set()
    for name, layer in layers.items():
        why = trouble(model, plain([layer]), example, usual, steady)
        if why is None:
            continue
        posed = pose(layer, layer)
        if posed and trouble(model, {id(layer): posed}, example, usual, steady) is None:
            posing.add(name)
        else:
            reasons[name] = f"the network looks into it ({why})"
    return Looks(reasons, frozenset(posing))


def plain(layers: Iterable[nn.Module]) -> dict[int, nn.Module]:
    """Chains of one for layers, by identity."""
    return {id(layer): nn.Sequential(layer) for layer in layers}


def trouble(
    model: nn.Module,
    chains: Mapping[int, nn.Module],
    example: Any,
    usual: Sequence[Tensor],
    steady: bool = True,
) -> str | None:
    """What goes wrong with chains in the place of layers, by identity, or None."""
    with stood_in(model, chains):
        return differs(model, example, usual, OTHER, steady)


def differs(
    model: nn.Module, example: Any, usual: Sequence[Tensor], other: str, steady: bool = True
) -> str | None:
    """What goes wrong in a pass, ``other`` where its outputs are not the usual ones, or None. Where
    these are not ``steady``, outputs only must not be undefined where they were not."""
    try:
        outputs = outputs_of(model, example)
    except Exception as error:
        return in_a_line(error)
    if steady:
        return None if same(usual, outputs) else other
    return other if undefined(outputs) and not undefined(usual) else None


def undefined(outputs: Sequence[Tensor]) -> bool:
    """Whether some number is none."""
    return any(bool(tensor.isnan().any()) for tensor in outputs)


def outputs_of(model: nn.Module, example: Any) -> list[Tensor]:
    """The tensors that the model puts out. Each pass draws the same from torch's generators."""
    return [real(tensor) for tensor in leaves(run(model, example))]


def real(tensor: Tensor) -> Tensor:
    """Its numbers, dense and real."""
    dense = tensor if tensor.layout == torch.strided else tensor.to_dense()
    return torch.view_as_real(dense.resolve_conj()) if dense.is_complex() else dense


def same(wanted: Sequence[Tensor], outputs: Sequence[Tensor]) -> bool:
    """Whether outputs are equal within rounding."""
    return difference(wanted, outputs) <= tolerance(wanted)


@contextmanager
def stood_in(model: nn.Module, others: Mapping[int, nn.Module]) -> Iterator[None]:
    """Modules by identity have others in their place inside, wherever they are held."""
    held = [
        (parent, name, module)
        for parent in model.modules()
        for name, module in parent._modules.items()
        if id(module) in others
    ]
    for parent, name, module in held:
        parent._modules[name] = others[id(module)]
    try:
        yield
    finally:
        for parent, name, module in held:
            parent._modules[name] = module


def open_compounds(model: nn.Module, example: Any) -> tuple[nn.Module, dict[str, str]]:
    """A network that reads a compound's weights, or asks for its class, keeps it as it is.

    Two forward passes where there are compounds and none of them is looked into, else one more for
    each."""
    model = unwrapped(model)
    opened = open_all(model)
    closed = closed_names(opened)
    if opened is model:
        return opened, closed
    try:
        usual = outputs_of(model, example)
    except Exception:  # which the record of calls puts in words
        return model, closed
    if differs(opened, example, usual, OTHER_OPENED) is None:
        return opened, closed
    steady = same(usual, outputs_of(model, example))
    for name in opened_names(opened):
        why = differs(open_named(model, (name,)), example, usual, OTHER_OPENED, steady)
        if why is not None:
            closed[name] = f"the network looks into it ({why})"
    return open_named(model, set(opened_names(opened)) - set(closed)), closed
