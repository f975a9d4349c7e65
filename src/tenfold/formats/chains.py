"""Chains of stock layers with nothing between them: found, and their factors made alike in size.

The scale of a channel between two factors can be moved from one to the other without a change
of the function; a step of the optimiser, though, has the size of its rate in either, so that it
is reckless in the smaller one and idle in the larger.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d)
SWEEPS = 20


def chains(model: nn.Module) -> Iterator[list[Any]]:
    """Every ``Sequential`` of two and more linear layers, of which only the last has a bias and
    none serves elsewhere too, as a layer or by its weight."""
    owners = Counter(
        id(owned)
        for module in model.modules()
        for owned in (*module._parameters.values(), *module._modules.values())
    )
    for module in model.modules():
        links: list[Any] = list(module.children()) if type(module) is nn.Sequential else []
        plain = all(
            scalable(link) and owners[id(link)] == owners[id(link.weight)] == 1 for link in links
        )
        if plain and len(links) > 1 and all(link.bias is None for link in links[:-1]):
            yield links


def scalable(link: nn.Module) -> bool:
    """Whether a module is a stock layer whose weight is its own, depthwise or without groups."""
    if type(link) not in KINDS or "weight" not in link._parameters:
        return False
    if getattr(link, "groups", 1) == 1:
        return True
    return link.groups == link.in_channels == link.out_channels


def links_of(module: nn.Module) -> list[Any]:
    """The layers of a chain, or the one layer that a chain of one is."""
    return list(module) if isinstance(module, nn.Sequential) else [module]


def balance_all(model: nn.Module) -> None:
    """Balance every chain, in place; what the model computes stays the same."""
    for links in chains(model):
        balance(links)


@torch.no_grad()
def balance(links: list[Any]) -> None:
    """Give the weights on both sides of every inner channel the same root mean square."""
    for _ in range(SWEEPS if len(links) > 2 else 1):
        for left, right in itertools.pairwise(links):
            before, after = outgoing(left), incoming(right)
            ratio = (after / before.clamp_min(1e-12)).sqrt().clamp(1e-3, 1e3)
            scale_outgoing(left, ratio)
            scale_incoming(right, 1 / ratio)


def outgoing(link: Any) -> Tensor:
    """Root mean square of the weights that make each output channel, ``(out,)``."""
    return link.weight.detach().flatten(1).square().mean(1).sqrt()


def incoming(link: Any) -> Tensor:
    """Root mean square of the weights that read each input channel, ``(in,)``."""
    weight = link.weight.detach()
    if grouped(link):
        return outgoing(link)
    return weight.transpose(0, 1).flatten(1).square().mean(1).sqrt()


def scale_outgoing(link: Any, factor: Tensor) -> None:
    """Multiply each output channel."""
    link.weight.mul_(factor.reshape(-1, *[1] * (link.weight.ndim - 1)))


def scale_incoming(link: Any, factor: Tensor) -> None:
    """Multiply each input channel's weights."""
    if grouped(link):
        scale_outgoing(link, factor)
    else:
        link.weight.mul_(factor.reshape(1, -1, *[1] * (link.weight.ndim - 2)))


def grouped(link: Any) -> bool:
    """Whether the link is depthwise."""
    return getattr(link, "groups", 1) > 1
