"""model, sites, refusals -> refusals of everything else that holds parameters, with sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from torch import nn

from tenfold.network.identity import place_of
from tenfold.values import Refusal, Site

FEW = 1e-3  # of all parameters; smaller parts of one kind share a line
PLURALS = {"parameter": "parameters", "normalisation layer": "normalisation layers"}


@dataclass(frozen=True)
class Part:
    """What a module holds itself, or one parameter of it."""

    name: str
    kind: str  # "parameter", "normalisation layer" or a class
    reason: str
    params: int


def name_the_rest(
    model: nn.Module, sites: Sequence[Site], refusals: Sequence[Refusal]
) -> list[Refusal]:
    """The refusals with their sizes, then one for each part that neither they nor the sites hold.

    The sizes and the parameters of the sites add up to the parameters of the model.
    """
    seen: set[int] = set()
    for site in sites:
        for place in site.places:
            take(model.get_submodule(place.name), seen)
    sized = [replace(r, params=take(model.get_submodule(r.name), seen)) for r in refusals]
    everything = sum(p.numel() for p in model.parameters())
    return [*sized, *joined(list(parts_of(model, seen)), FEW * everything)]


def take(module: nn.Module, seen: set[int], *, recurse: bool = True) -> int:
    """How many of a module's parameters were not seen before; they are, from now on."""
    new = {place_of(p): p.numel() for p in module.parameters(recurse) if place_of(p) not in seen}
    seen.update(new)
    return sum(new.values())


def parts_of(model: nn.Module, seen: set[int]) -> Iterator[Part]:
    """Stock layers as a whole, the parameters of other modules one by one."""
    for name, module in model.named_modules():
        cls = type(module).__name__
        if is_norm(module):
            reason = "it scales and shifts, and has no matrix to factor"
            yield Part(name, "normalisation layer", reason, take(module, seen, recurse=False))
        elif type(module).__module__.startswith("torch.nn."):
            reason = f"{cls} is not a kind of layer that tenfold factors"
            yield Part(name, cls, reason, take(module, seen, recurse=False))
        else:
            yield from parameters_of(module, name, seen)


def parameters_of(module: nn.Module, name: str, seen: set[int]) -> Iterator[Part]:
    """The parameters that a module of somebody's own class holds itself."""
    itself = f"it is a parameter of {type(module).__name__} itself, which tenfold does not factor"
    for own, parameter in module.named_parameters(prefix=name, recurse=False):
        reason = itself if parameter.ndim > 1 else "it has one axis, and no matrix to factor"
        if place_of(parameter) not in seen:
            seen.add(place_of(parameter))
            yield Part(own, "parameter", reason, parameter.numel())


def is_norm(module: nn.Module) -> bool:
    """Whether a module normalises, by its name: every library has such classes of its own, some
    with the activation inside."""
    parts = (part.parameters() for part in module.children())
    alone = all(next(parameters, None) is None for parameters in parts)
    return alone and "norm" in type(module).__name__.lower()


def joined(parts: Sequence[Part], few: float) -> Iterator[Refusal]:
    """Large parts one by one; normalisation layers, and small parts of one kind, together."""
    groups: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        together = part.kind == "normalisation layer" or part.params < few
        key = (part.kind, part.reason if together else part.name)
        if part.params:
            groups.setdefault(key, []).append(part)
    for (kind, _), group in groups.items():
        many = f"{len(group)} {PLURALS.get(kind, kind + ' layers')}"
        name = group[0].name if len(group) == 1 else many
        yield Refusal(name or kind, group[0].reason, sum(part.params for part in group))
