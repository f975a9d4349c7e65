"""model, Plan -> model': the same network with stock layers in place of the planned ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.compounds import finish_all, open_for
from tenfold.errors import InputError, PlanError
from tenfold.formats import FORMATS
from tenfold.formats.chains import balance_all
from tenfold.formats.metric import Metric
from tenfold.formats.places import stand_ins
from tenfold.layers import LAYERS, describe, links_of, pose, site_of, ties_of, weight_of, weights_of
from tenfold.machine.processes import parallel_map
from tenfold.machine.progress import Progress, silent
from tenfold.network.copying import copy_of
from tenfold.values import Choice, Plan, Site


def rebuild(
    model: nn.Module,
    plan: Plan,
    metrics: Mapping[str, Metric] | None = None,
    progress: Progress = silent,
) -> nn.Module:
    """A new module with each planned layer factored, in the plan's metric.

    The input model is untouched. A compound in which nothing is factored stays closed. Raises
    PlanError when the plan names a layer that the model does not have, or ranks that it cannot
    take.
    """
    metrics = metrics or {}
    model = opened_by(plan, model)
    chosen = planned(model, plan)
    sites = {c.site: describe(model.get_submodule(c.site), c.site) for c in chosen}
    weights = weights_of(model, sites)  # before the work is shared, for somebody's code may run

    @torch.no_grad()
    def factor(choice: Choice) -> tuple[Tensor, ...]:
        fmt, name = FORMATS[choice.format], choice.site
        metric = metrics.get(name, Metric()).on(choice.metric)
        return fmt.factors(fmt.analyse(sites[name], weights[name], metric), choice.ranks)

    kernels = []
    for done, kernel in enumerate(parallel_map(factor, chosen)):
        kernels.append(kernel)
        progress("rebuild", done + 1, len(chosen))
    return replace(model, chosen, kernels)


def build_structure(model: nn.Module, plan: Plan) -> nn.Module:
    """The planned structure as it is handed over, with zero factors, for weights that are loaded
    afterwards."""
    model = opened_by(plan, model)
    chosen = planned(model, plan)
    return finish_all(replace(model, chosen, [_zeros(model, choice) for choice in chosen]))


def _zeros(model: nn.Module, choice: Choice) -> tuple[Tensor, ...]:
    """Kernels of the right shapes, without any decomposition."""
    fmt = FORMATS[choice.format]
    site = describe(model.get_submodule(choice.site), choice.site)
    return tuple(torch.zeros(shape) for shape in fmt.shapes(site, choice.ranks))


def opened_by(plan: Plan, model: nn.Module) -> nn.Module:
    """The model with those compounds opened in which the plan replaces a layer."""
    return open_for(model, (choice.site for choice in plan.choices if choice.format != "dense"))


def planned(model: nn.Module, plan: Plan) -> list[Choice]:
    """The choices that replace a layer, each held against the model, which is opened."""
    chosen = [choice for choice in plan.choices if choice.format != "dense"]
    for choice in chosen:
        check_choice(model, choice)
    return chosen


def replace(
    model: nn.Module, chosen: Sequence[Choice], kernels: Sequence[tuple[Tensor, ...]]
) -> nn.Module:
    """Copy the model once, with the new layers in the place of those that go."""
    memo: dict[int, Any] = {}  # serves the other names of what goes, too
    ties = ties_of(model)
    for choice, factors in zip(chosen, kernels):
        site = site_of(model, choice.site, ties)
        layers = [model.get_submodule(place.name) for place in site.places]
        biases = [LAYERS[p.kind].bias(layer) for p, layer in zip(site.places, layers)]
        chains = stand_ins(FORMATS[choice.format], site, choice.ranks, factors, biases)
        for new, layer, bias in zip(chains, layers, biases):
            if not site.others:
                balance_all(new)  # unwhitening leaves factors of a chain a thousandfold apart
            new = pose(new, layer) or new if choice.poses else new
            memo[id(layer)] = _like(new, layer, bias)
            if isinstance(bias, nn.Parameter):  # which others may have, too
                links_of(new)[-1].bias = memo.setdefault(id(bias), links_of(new)[-1].bias)
    return copy_of(model, memo)


def _like(new: nn.Module, layer: nn.Module, bias: Tensor | None) -> nn.Module:
    """With the mode, device, memory format and trainability of the layer that is replaced."""
    own = [p for p in layer.parameters() if p is not bias]
    new.train(layer.training).to(weight_of(layer).device)
    new.requires_grad_(any(p.requires_grad for p in own))
    if bias is not None:
        links_of(new)[-1].bias.requires_grad_(bias.requires_grad)
    for layout, axes in ((torch.channels_last, 4), (torch.channels_last_3d, 5)):
        if any(p.ndim == axes and p.is_contiguous(memory_format=layout) for p in own):
            new.to(memory_format=layout)  # type: ignore[call-overload]
    return new


def check_choice(model: nn.Module, choice: Choice) -> None:
    """A plan can be edited by hand, so each line is held against the model."""
    try:
        layer = model.get_submodule(choice.site)
    except AttributeError:
        raise PlanError(
            f"A plan must name layers of the model, but found {choice.site!r}; "
            "apply it to the network it was made for."
        ) from None
    fmt, site = FORMATS[choice.format], described(layer, choice.site)
    reason, refusal = LAYERS[site.kind].refuses(layer), fmt.refuses(site)
    if reason:
        raise PlanError(
            f"A plan must leave {choice.site} as it is, for {reason}, but found "
            f"{choice.format!r}; make it 'dense'."
        )
    if refusal:
        raise PlanError(
            f"{choice.site} cannot be {choice.format}: {refusal}; choose another format."
        )
    limits = fmt.rank_limits(site)
    fits = len(limits) == len(choice.ranks) and all(
        1 <= rank <= limit for rank, limit in zip(choice.ranks, limits)
    )
    if not fits:
        raise PlanError(
            f"Ranks of {choice.site} as {choice.format} must lie between 1 and {limits}, "
            f"but found {choice.ranks}; edit the plan."
        )


def described(layer: nn.Module, name: str) -> Site:
    """The geometry of a layer that a plan names. Raises PlanError where it is of another kind."""
    try:
        return describe(layer, name)
    except InputError as error:
        raise PlanError(
            f"A plan must name layers that can be factored, but found {name}, a "
            f"{type(layer).__name__}; apply it to the network it was made for."
        ) from error
