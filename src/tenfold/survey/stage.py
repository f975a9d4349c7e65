"""model, example -> Survey: the layers that can be factored, and why the others cannot."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import singledispatch
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from tenfold.costs import COSTS
from tenfold.errors import InputError, as_bad_value, bad_value
from tenfold.formats import FORMATS
from tenfold.network.call import run
from tenfold.network.tied import place_of
from tenfold.network.watch import watching
from tenfold.survey.read_by_network import looked_into
from tenfold.values import Call, Refusal, Site, Survey

BY_NAME = Call(0, (), ())  # in place of a call whose input is not seen
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def survey(
    model: nn.Module,
    example: Any,
    *,
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
) -> Survey:
    """Run the model once on the example and list what can be factored.

    ``include`` and ``exclude`` are shell patterns on qualified module names; without ``include``
    every layer counts. The model is left as it was. Raises InputError when the model does not
    run on the example, holds NaN or infinite weights, or has nothing that can be factored.
    """
    check_finite(model)
    layers = dict(_candidates(model))
    check_patterns(include + exclude, layers)
    calls = _record_calls(model, layers, example)
    tied = _tied(model)
    sites, refusals = [], []
    for name, layer in layers.items():
        reason = _reason(name, layer, calls[name], tied, include, exclude)
        if reason:
            refusals.append(Refusal(name, reason))
        else:
            sites.append(describe(layer, name, tuple(calls[name])))
    read = looked_into(model, [site.name for site in sites], example) if sites else {}
    refusals += [Refusal(name, reason) for name, reason in read.items()]
    sites = [site for site in sites if site.name not in read]
    if not sites:
        raise nothing_to_compress(refusals)
    totals = {name: COSTS[name].measure(model, example) for name in COSTS}
    fixed = {
        name: max(0.0, totals[name] - sum(dense_cost(site, name) for site in sites))
        for name in COSTS
    }
    return Survey(tuple(sites), tuple(refusals), totals, fixed)


def dense_cost(site: Site, cost: str) -> float:
    """What the layer costs as it is."""
    return float(COSTS[cost].total(FORMATS["dense"].ops(site, ())))


@singledispatch
def describe(layer: nn.Module, name: str, calls: tuple[Call, ...] = ()) -> Site:
    """The geometry of a layer; one implementation a kind of layer."""
    raise InputError(f"{name} is a {type(layer).__name__}, which is not a layer tenfold factors.")


@describe.register
def _(layer: nn.Linear, name: str, calls: tuple[Call, ...] = ()) -> Site:
    return Site(
        name,
        "linear",
        layer.in_features,
        layer.out_features,
        bias=layer.bias is not None,
        dtype=layer.weight.dtype,
        calls=calls,
    )


@describe.register(nn.Conv1d)
@describe.register(nn.Conv2d)
def _(layer: nn.Conv1d | nn.Conv2d, name: str, calls: tuple[Call, ...] = ()) -> Site:
    return Site(
        name,
        type(layer).__name__.lower(),
        layer.in_channels,
        layer.out_channels,
        kernel=tuple(layer.kernel_size),
        stride=tuple(layer.stride),
        padding=layer.padding if isinstance(layer.padding, str) else tuple(layer.padding),
        dilation=tuple(layer.dilation),
        groups=layer.groups,
        padding_mode=layer.padding_mode,
        bias=layer.bias is not None,
        dtype=layer.weight.dtype,
        calls=calls,
    )


def _candidates(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Layers of a kind that could be factored, or that a person may wonder about."""
    kinds = (nn.Linear, nn.modules.conv._ConvNd)
    for name, module in model.named_modules():
        if name and isinstance(module, kinds):
            yield name, module


def _reason(
    name: str,
    layer: nn.Module,
    calls: list[Call],
    tied: Mapping[int, list[str]],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
) -> str | None:
    """Why a layer must stay as it is, or None."""
    if include and not any(fnmatchcase(name, p) for p in include):
        return "not in the include patterns"
    if any(fnmatchcase(name, p) for p in exclude):
        return "excluded"
    if type(layer) not in (nn.Linear, nn.Conv1d, nn.Conv2d):
        return f"{type(layer).__name__} is not Linear, Conv1d or Conv2d itself"
    if getattr(layer, "parametrizations", None) or _has_hooks(layer):
        return "it carries hooks or a parametrization that a replacement would lose"
    if not calls:
        return "the example never runs it as a module"
    if BY_NAME in calls:
        return "its input is passed by name, layer(input=x), which hides it from measurement"
    if "forward" in vars(layer):
        return "its forward was replaced by hand"
    weight = layer.weight
    if not isinstance(weight, Tensor) or weight.dtype not in DTYPES:
        return f"its weight is {getattr(weight, 'dtype', None)}, not a real floating type"
    for part, value in layer.named_parameters(recurse=False):
        owners = tied[place_of(value)]
        others = [owner for owner in owners if owner != f"{name}.{part}"]
        if len(owners) > 1:
            return f"its {part} is shared with {', '.join(others)}"
    if getattr(layer, "groups", 1) > 1:
        return f"it has {layer.groups} groups, between which there is nothing to factor"
    if min(weight.shape[:2]) == 1:
        return "one of its channel counts is 1"
    return None


def _has_hooks(layer: nn.Module) -> bool:
    """Hooks of the user's own on the layer."""
    return bool(layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks)


def _tied(model: nn.Module) -> dict[int, list[str]]:
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


def _record_calls(
    model: nn.Module, layers: Mapping[str, nn.Module], example: Any
) -> dict[str, list[Call]]:
    """Sizes seen by each layer in one forward pass of the example."""
    calls: dict[str, list[Call]] = {name: [] for name in layers}

    def recorder(name: str) -> Any:
        def hook(layer: nn.Module, inputs: tuple[Any, ...], named: Any, output: Any) -> None:
            if not inputs:
                calls[name].append(BY_NAME)
            elif isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
                calls[name].append(_call(layer, inputs[0], output))

        return hook

    recorders = {
        layer: recorder(name)
        for name, layer in layers.items()
        if not isinstance(layer, torch.nn.modules.lazy.LazyModuleMixin) and not _has_hooks(layer)
    }
    way = "pass an example of the shape and type the model expects"
    with (
        watching(recorders, named=True),
        as_bad_value("The model must run on the example", way),
    ):
        run(model, example)
    return calls


def _call(layer: nn.Module, x: Tensor, y: Tensor) -> Call:
    """Batch and spatial sizes; leading axes of a Linear all count as batch."""
    axes = len(getattr(layer, "kernel_size", ()))
    if not axes:
        return Call(math.prod(x.shape[:-1]), (), ())
    batch = x.shape[0] if x.ndim == axes + 2 else 1
    return Call(batch, tuple(x.shape[-axes:]), tuple(y.shape[-axes:]))


def check_finite(model: nn.Module) -> None:
    """Refuse weights and running statistics with NaN or infinity by name; other buffers may well
    hold them, as masks do."""
    running = ("running_mean", "running_var")
    statistics = (named for named in model.named_buffers() if named[0].endswith(running))
    for name, value in (*model.named_parameters(), *statistics):
        if isinstance(value, UninitializedParameter | UninitializedBuffer):
            raise bad_value(
                "Weights must have been made",
                f"{name} of a lazy module without any",
                "run the model once first",
            )
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise bad_value(
                "Weights must be finite",
                f"NaN or infinity in {name}",
                "load the last good checkpoint",
            )


def check_patterns(patterns: tuple[str, ...], names: Mapping[str, Any]) -> None:
    """A pattern that matches no layer is a slip of the pen."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise bad_value(
                "A pattern must match a layer",
                repr(pattern),
                f"choose among {', '.join(list(names)[:8]) or 'no layers at all'}",
            )


def nothing_to_compress(refusals: list[Refusal]) -> InputError:
    """The error for a model without a single site."""
    found = "; ".join(f"{r.name}: {r.reason}" for r in refusals[:4]) or "no such layer"
    return bad_value(
        "A model needs at least one Linear, Conv1d or Conv2d layer to factor",
        found,
        "check include and exclude, or leave this model as it is",
    )
