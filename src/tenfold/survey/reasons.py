"""Why a layer has to stay as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import chain

from torch import nn

from tenfold.compounds import inside
from tenfold.layers import kind_of
from tenfold.network.tied import place_of
from tenfold.survey.calls import BY_NAME
from tenfold.values import Call


def reason_before(
    name: str,
    layer: nn.Module,
    opened: Sequence[str],
    include: Sequence[str],
    exclude: Sequence[str],
) -> str | None:
    """What can be told without running the model, or None. A layer of an ``opened`` compound goes
    by the compound's name as well."""
    names = [name, *(compound for compound in opened if compound and inside(name, compound))]
    if include and not any(fnmatchcase(n, p) for n in names for p in include):
        return "not in the include patterns"
    if any(fnmatchcase(n, p) for n in names for p in exclude):
        return "excluded"
    kind = kind_of(layer)
    if kind is None:
        return f"{type(layer).__name__} is not a kind of layer that tenfold factors"
    return kind.refuses(layer)


def reason_after(
    name: str, layer: nn.Module, calls: Sequence[Call], names: Mapping[int, Sequence[str]]
) -> str | None:
    """What the calls of a run tell, and the ``names`` of each tensor by its place, or None."""
    if not calls:
        return "the example never runs it as a module"
    if BY_NAME in calls:
        return "its input is passed by name, layer(input=x), which hides it from measurement"
    for part, value in layer.named_parameters():
        owners = names[place_of(value)]
        others = [owner for owner in owners if owner != f"{name}.{part}"]
        if len(owners) > 1:
            return f"its {part} is shared with {', '.join(others)}"
    return None


def names_of_tensors(model: nn.Module) -> dict[int, list[str]]:
    """All names of each parameter and buffer, by where it lies: some share their memory alone."""
    names: dict[int, list[str]] = {}
    held = (model.named_parameters, model.named_buffers)
    for name, tensor in chain(*(named(remove_duplicate=False) for named in held)):
        names.setdefault(place_of(tensor), []).append(name)
    modules: dict[int, set[tuple[int, str]]] = {}
    for module in model.modules():
        own = chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False))
        for name, tensor in own:
            modules.setdefault(place_of(tensor), set()).add((id(module), name))
    return {key: value if len(modules[key]) > 1 else value[:1] for key, value in names.items()}
