"""Why a layer has to stay as it is, or all that have its weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import chain

from torch import Tensor, nn

from tenfold.compounds import inside
from tenfold.layers import kind_of
from tenfold.network.identity import place_of
from tenfold.survey.calls import BY_NAME, run_with_others
from tenfold.values import Call

NEVER_RUN = "the example never runs it as a module"


def reason_before(
    names: Sequence[str],
    layer: nn.Module,
    opened: Sequence[str],
    include: Sequence[str],
    exclude: Sequence[str],
) -> str | None:
    """What can be told without running the model, or None. ``names`` are those of all layers that
    have its weight: they go or stay together. A layer of an ``opened`` compound goes by the
    compound's name as well."""
    around = [name for name in opened if name and any(inside(n, name) for n in names)]
    unwanted = reason_unwanted([*names, *around], include, exclude)
    if unwanted is not None:
        return unwanted
    kind = kind_of(layer)
    if kind is None:
        return f"{type(layer).__name__} is not a kind of layer that tenfold factors"
    return kind.refuses(layer)


def reason_unwanted(
    names: Sequence[str], include: Sequence[str], exclude: Sequence[str]
) -> str | None:
    """Shell patterns that leave out a layer of these names, or None."""
    if include and not any(fnmatchcase(n, p) for n in names for p in include):
        return "not in the include patterns"
    if any(fnmatchcase(n, p) for n in names for p in exclude):
        return "excluded"
    return None


def reason_after(
    name: str, layers: Mapping[str, nn.Module], calls: Mapping[str, Sequence[Call]]
) -> str | None:
    """What the calls of a run tell, or None."""
    ran = [other for other, seen in calls.items() if seen]
    if not calls[name] and not run_with_others(name, layers, ran):
        return NEVER_RUN
    if BY_NAME in calls[name]:
        return "its input is passed by name, layer(input=x), which hides it from measurement"
    return None


def reason_shared(
    model: nn.Module, name: str, names: Mapping[int, Sequence[str]], tie: Sequence[str]
) -> str | None:
    """A parameter that others have too, or None; ``names`` are those of each tensor by its place,
    ``tie`` the layers that may share the weight."""
    layer = model.get_submodule(name)
    for part, value in layer.named_parameters():
        owners = names[place_of(value)]
        others = [owner for owner in owners if owner != f"{name}.{part}"]
        if len(owners) > 1 and not all(may_share(model, o, part, value, tie) for o in others):
            return f"its {part} is shared with {', '.join(others)}"
    return None


def may_share(model: nn.Module, owner: str, part: str, value: Tensor, tie: Sequence[str]) -> bool:
    """Whether a layer of the tie, or a module that is no layer and keeps the very same bias, may
    hold a parameter as well."""
    name, _, own = owner.rpartition(".")
    module = model.get_submodule(name)
    if any(module is model.get_submodule(other) for other in tie):
        return own == part
    held = module._parameters.get(own)
    return part == "bias" and held is value and kind_of(module) is None


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


def names_together(names: Sequence[str], ties: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """For each layer the names of all that have its weight, its own among them."""
    tied = {name: list(tie) for tie in ties for name in tie}
    return {name: tied.get(name, [name]) for name in names}


def reasons_together(
    reasons: Mapping[str, str | None], ties: Sequence[Sequence[str]]
) -> dict[str, str | None]:
    """The reasons, with one for every layer whose weight is also in a layer that has to stay. That
    the example runs only some of them is none."""
    joint = dict(reasons)
    for tie in ties:
        staying = [name for name in tie if reasons[name] not in (None, NEVER_RUN)]
        if not staying and any(reasons[name] is None for name in tie):
            joint.update(dict.fromkeys(tie))
        for name in tie if staying else ():
            if name not in staying:
                why = f"which has to stay: {reasons[staying[0]]}"
                joint[name] = f"its weight is shared with {staying[0]}, {why}"
    return joint
