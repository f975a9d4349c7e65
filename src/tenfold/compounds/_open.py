"""model -> an equal model whose compounds are opened: all of them, or those that a plan needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from itertools import chain

from torch import nn

from tenfold.compounds._base import COMPOUNDS, Compound, Opened
from tenfold.network.accept import unwrapped
from tenfold.network.copying import copy_of
from tenfold.network.identity import place_of

Wanted = Callable[[str], bool]  # whether the compound of this name is to be opened


def open_all(model: nn.Module) -> nn.Module:
    """A copy with every compound opened; the model itself where there is none to open. Both hold
    the same tensors."""
    return opened(model, lambda name: True)


def open_named(model: nn.Module, names: Collection[str]) -> nn.Module:
    """The same with the compounds of these names alone."""
    return opened(model, lambda name: name in names)


def open_for(model: nn.Module, layers: Iterable[str]) -> nn.Module:
    """The same with those compounds alone that these layers, by their opened names, lie in."""
    names = tuple(layers)
    return opened(model, lambda name: any(inside(layer, name) for layer in names))


def opened(model: nn.Module, wanted: Wanted) -> nn.Module:
    """A copy with the wanted compounds opened, or the model itself."""
    model = unwrapped(model)
    tied = tied_places(model)
    if not any(wanted(name) and can_open(part, tied) for name, part in model.named_modules()):
        return model

    def change(module: nn.Module, name: str) -> nn.Module:
        compound = can_open(module, tied) if wanted(name) else None
        return open_one(compound, module) if compound else module

    return changed(model, change)


def finish_all(model: nn.Module) -> nn.Module:
    """A copy with what is handed over in the place of each opened compound; the model itself where
    that is what it holds. Both hold the same tensors."""

    def finish(module: nn.Module, name: str = "") -> nn.Module:
        return module.finished() if isinstance(module, Opened) else module

    return changed(model, finish) if any(map(unfinished, model.modules())) else model


def unfinished(module: nn.Module) -> bool:
    """Whether something else is handed over in the place of a module."""
    return isinstance(module, Opened) and type(module).finished is not Opened.finished


def changed(model: nn.Module, change: Callable[[nn.Module, str], nn.Module]) -> nn.Module:
    """A copy of a network that holds the same tensors, with what ``change`` gives for a module and
    its name in the module's place, and everything inside that changed too."""
    tensors = chain(model.parameters(), model.buffers())
    copied = copy_of(model, {id(tensor): tensor for tensor in tensors})
    done: dict[nn.Module, nn.Module] = {}  # which keeps them alive, and their identities

    def visit(module: nn.Module, name: str) -> nn.Module:
        if module not in done:
            new = done[module] = change(module, name)
            done[new] = new
            for part, child in new._modules.items():
                if child is not None:
                    new._modules[part] = visit(child, f"{name}.{part}" if name else part)
        return done[module]

    return visit(copied, "")


def open_one(compound: Compound, module: nn.Module) -> nn.Module:
    """The opened module; what is new in it has the mode of the compound."""
    known = {id(part) for part in module.modules()}
    new = compound.open(module)
    for part in new.modules():
        if id(part) not in known:
            part.training = module.training
    return new


def compound_of(module: nn.Module) -> Compound | None:
    """The compound that serves a module, or None."""
    return next((compound for compound in COMPOUNDS.values() if compound.serves(module)), None)


def can_open(module: nn.Module, tied: set[int]) -> Compound | None:
    """The compound that opens a module; None where it has to stay closed."""
    compound = compound_of(module)
    return compound if compound and why_closed(module, tied) is None else None


def why_closed(module: nn.Module, tied: set[int]) -> str | None:
    """Why a compound stays as it is, or None. Of a parameter that two modules share, the parts
    would be counted twice."""
    compound = compound_of(module)
    if compound is None:
        return None
    if any(place_of(p) in tied for p in module.parameters(recurse=False)):
        return "other modules share its parameters"
    return compound.refuses(module)


def tied_places(model: nn.Module) -> set[int]:
    """Where parameters lie that more than one module holds."""
    held = {
        (id(module), place_of(parameter))
        for module in model.modules()
        for parameter in module.parameters(recurse=False)
    }
    return {place for place, count in Counter(place for _, place in held).items() if count > 1}


def inside(layer: str, name: str) -> bool:
    """Whether a layer lies in the module of a name; ``""`` is the whole network."""
    return layer.startswith(f"{name}.") if name else True


def closed_names(model: nn.Module) -> dict[str, str]:
    """Why compounds inside a network stay closed, by their names."""
    tied = tied_places(model)
    reasons = {name: why_closed(part, tied) for name, part in model.named_modules() if name}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def opened_names(model: nn.Module) -> tuple[str, ...]:
    """Names of the opened compounds of a network."""
    return tuple(name for name, part in model.named_modules() if isinstance(part, Opened))
