"""Kronecker factors of a layer's Fisher information, for all sites in one pass over the inputs.

A = sum over positions of the second moment of the input, G = mean over positions of the second
moment of the output's gradient (Grosse and Martens 2016, equations 34 and 35). The gradient is
that of the log-likelihood at a class drawn from the network's own output, so no labels enter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.data.batches import logits_of
from tenfold.data.synthesise import frozen
from tenfold.formats.metric import Metric, Root
from tenfold.network.call import call, evaluating
from tenfold.network.watch import watching
from tenfold.values import Site

PATCH_LIMIT = 1300  # largest patch (channels times window) whose correlation is kept


@dataclass
class Sums:
    """Running second moments of one site."""

    inputs: Tensor | float = 0.0
    outputs: Tensor | float = 0.0
    patches: Tensor | float = 0.0
    positions: int = 0
    count: int = 0
    grads: list[Tensor] = field(default_factory=list)


def estimate_moments(
    model: nn.Module, sites: Iterable[Site], batches: Iterable[Any]
) -> dict[str, Metric]:
    """A metric a site from batches of inputs; the model is left as it was.

    Labels are drawn from torch's random state. A site that no gradient reaches keeps the
    identity on its outputs.
    """
    sums = {site.name: Sums() for site in sites}
    by_name = {site.name: site for site in sites}
    with evaluating(model), frozen(model):
        for inputs in batches:
            accumulate(model, by_name, sums, inputs)
    return {name: metric_of(total) for name, total in sums.items()}


def accumulate(
    model: nn.Module, sites: Mapping[str, Site], sums: Mapping[str, Sums], inputs: Any
) -> None:
    """One batch: forward for A, backward from a drawn class for G."""

    def watch(name: str) -> Any:
        """A hook that adds up what one site sees, and what comes back to it."""

        def hook(layer: Any, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            add_inputs(sums[name], sites[name], args[0].detach())
            if not output.requires_grad:  # a copy, for an activation may work in place on it
                output = output.requires_grad_().clone()
            if output.requires_grad:  # not where the network itself switches gradients off
                output.register_hook(lambda grad: add_gradient(sums[name], sites[name], grad))
            return output

        return hook

    hooks = {model.get_submodule(name): watch(name) for name in sites}
    with watching(hooks), torch.enable_grad():
        output = logits_of(call(model, inputs))
        if output.requires_grad:
            drawn_loss(output).backward()  # type: ignore[no-untyped-call]


def drawn_loss(output: Tensor) -> Tensor:
    """Sum over images of the loss at a drawn class; a random projection where there is none."""
    if output.ndim == 2 and output.shape[1] > 1:
        drawn = torch.multinomial(F.softmax(output.detach().float(), 1), 1).squeeze(1)
        return F.cross_entropy(output.float(), drawn, reduction="sum")
    return (output * torch.randn_like(output)).sum()


def add_inputs(sums: Sums, site: Site, x: Tensor) -> None:
    """Input second moments: channels, and whole patches where they are small enough."""
    x = batched(site, x.float())
    rows = x.flatten(0, -2) if site.kind == "linear" else x.movedim(1, -1).flatten(0, -2)
    # a strided layer sees fewer positions than there are; the mean over all is as good
    share = positions_of(site) / max(1, len(rows) // len(x)) if site.kind != "linear" else 1.0
    sums.inputs = sums.inputs + share * (rows.T @ rows)
    sums.count += len(x)
    if site.window > 1 and site.in_channels * site.window <= PATCH_LIMIT:
        seen = patches(site, x)
        sums.patches = sums.patches + seen.T @ seen


def batched(site: Site, x: Tensor) -> Tensor:
    """With a batch mode, which convolutions do not need."""
    return x.unsqueeze(0) if site.kind != "linear" and x.ndim == len(site.kernel) + 1 else x


def positions_of(site: Site) -> float:
    """Output positions an image, over one call."""
    return max(1, torch.tensor(site.calls[0].out_size).prod().item()) if site.calls else 1


def patches(site: Site, x: Tensor) -> Tensor:
    """Every receptive field as a row ``(positions, in * window)``."""
    x = batched(site, x)
    if site.kind == "conv1d":
        x = x.unsqueeze(2)
    kernel = (1, *site.kernel)[-2:]
    stride, dilation = (1, *site.stride)[-2:], (1, *site.dilation)[-2:]
    x = F.pad(
        x, sides(site), mode="constant" if site.padding_mode == "zeros" else site.padding_mode
    )
    columns = F.unfold(x, kernel, dilation=dilation, stride=stride)
    return columns.movedim(1, -1).flatten(0, 1)


def sides(site: Site) -> list[int]:
    """Padding left, right, above and below, as the layer itself pads."""
    kernel, dilation = (1, *site.kernel)[-2:], (1, *site.dilation)[-2:]
    if site.padding == "valid":
        return [0] * 4
    if isinstance(site.padding, str):
        reach = [d * (k - 1) for d, k in zip(dilation, kernel)]
        return [side for r in reversed(reach) for side in (r // 2, r - r // 2)]
    return [side for p in reversed((0, *site.padding)[-2:]) for side in (p, p)]


def add_gradient(sums: Sums, site: Site, grad: Tensor) -> None:
    """Second moment of the output's gradient."""
    grad = batched(site, grad.detach().float())
    rows = grad.flatten(0, -2) if site.kind == "linear" else grad.movedim(1, -1).flatten(0, -2)
    sums.outputs = sums.outputs + rows.T @ rows
    sums.positions += len(rows)


def metric_of(sums: Sums) -> Metric:
    """Roots of the mean moments; the identity where nothing was seen."""
    count = max(1, sums.count)
    return Metric(
        inputs=_root(sums.inputs, count),
        outputs=_root(sums.outputs, max(1, sums.positions)),
        patches=_root(sums.patches, count),
    )


def _root(total: Tensor | float, count: int) -> Root | None:
    """Root of a mean, or None for one that is missing, zero or not finite."""
    if not isinstance(total, Tensor) or not bool(torch.isfinite(total).all()) or not total.any():
        return None
    return Root.of(total.cpu() / count)
