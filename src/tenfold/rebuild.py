"""model, Plan -> model': the same network with stock layers in place of the planned ones."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tenfold.errors import PlanError
from tenfold.formats import FORMATS
from tenfold.metric import Metric
from tenfold.progress import Progress, silent
from tenfold.survey import describe
from tenfold.values import Choice, Plan


def rebuild(
    model: nn.Module,
    plan: Plan,
    metrics: Mapping[str, Metric] | None = None,
    progress: Progress = silent,
) -> nn.Module:
    """A new module with each planned layer factored, in the plan's metric.

    The input model is untouched. Raises PlanError when the plan names a layer that the model
    does not have, or ranks that it cannot take.
    """
    metrics = metrics or {}

    def factors(choice: Choice, weight: Tensor) -> tuple[Tensor, ...]:
        fmt = FORMATS[choice.format]
        site = describe(model.get_submodule(choice.site), choice.site)
        metric = metrics.get(choice.site, Metric())
        with torch.no_grad():
            return fmt.factors(fmt.analyse(site, weight.cpu(), metric), choice.ranks)

    return _replace(model, plan, factors, progress)


def build_structure(model: nn.Module, plan: Plan) -> nn.Module:
    """The planned structure with zero factors, for weights that are loaded afterwards."""

    def factors(choice: Choice, weight: Tensor) -> tuple[Tensor, ...]:
        site = describe(model.get_submodule(choice.site), choice.site)
        chain = FORMATS[choice.format].chain(site, choice.ranks)
        ops = FORMATS[choice.format].ops(site, choice.ranks)
        return tuple(
            torch.zeros(
                int(link.out_channels), 1 if link.depthwise else int(link.in_channels), *op.kernel
            )
            for link, op in zip(chain, ops)
        )

    return _replace(model, plan, factors, silent)


def _replace(model: nn.Module, plan: Plan, factors, progress: Progress) -> nn.Module:  # type: ignore[no-untyped-def]
    """Copy the model once, without the weights that go, and put the new layers in."""
    chosen = [choice for choice in plan.choices if choice.format != "dense"]
    for choice in chosen:
        check_choice(model, choice)
    replaced: dict[int, nn.Module] = {}
    for done, choice in enumerate(chosen):
        layer = model.get_submodule(choice.site)
        site = describe(layer, choice.site)
        kernels = factors(choice, layer.weight.detach())
        new = FORMATS[choice.format].layers(
            site, choice.ranks, kernels, None if layer.bias is None else layer.bias
        )
        new.train(layer.training)
        _like(new, layer)
        replaced[id(layer)] = new  # as a memo of the copy, it also serves the layer's other names
        progress("rebuild", done + 1, len(chosen))
    return copy.deepcopy(model, replaced)


def _like(new: nn.Module, layer: nn.Module) -> None:
    """Device, memory format and trainability of the layer that is replaced."""
    weight = layer.weight
    new.to(weight.device)  # type: ignore[arg-type]
    if weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last):  # type: ignore[operator]
        new.to(memory_format=torch.channels_last)
    new.requires_grad_(bool(weight.requires_grad))


def check_choice(model: nn.Module, choice: Choice) -> None:
    """A plan can be edited by hand, so each line is held against the model."""
    try:
        layer = model.get_submodule(choice.site)
    except AttributeError:
        raise PlanError(
            f"A plan must name layers of the model, but found {choice.site!r}; "
            "apply it to the network it was made for."
        ) from None
    fmt, site = FORMATS[choice.format], describe(layer, choice.site)
    refusal = fmt.refuses(site) or ("it has groups" if site.groups > 1 else None)
    if refusal:
        raise PlanError(f"{choice.site} cannot be {choice.format}: {refusal}; choose another format.")
    limits = fmt.rank_limits(site)
    fits = len(limits) == len(choice.ranks) and all(
        1 <= rank <= limit for rank, limit in zip(choice.ranks, limits)
    )
    if not fits:
        raise PlanError(
            f"Ranks of {choice.site} as {choice.format} must lie between 1 and {limits}, "
            f"but found {choice.ranks}; edit the plan."
        )
