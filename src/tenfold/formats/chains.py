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

from tenfold.layers import Posing, is_link, put_weight, weight_of

SWEEPS = 20


def chains(model: nn.Module) -> Iterator[list[Any]]:
    """Every ``Sequential`` of two and more linear layers over as many axes, of which only the last
    has a bias and none serves elsewhere too, as a layer or by its weight."""
    owners = Counter(
        id(owned)
        for module in model.modules()
        for owned in (*module._parameters.values(), *module._modules.values())
    )
    for module in model.modules():
        links: list[Any] = list(module.children()) if is_chain(module) else []
        plain = all(
            is_link(link) and owners[id(link)] == owners[id(link.weight)] == 1 for link in links
        )
        if not plain or len({link.weight.ndim for link in links}) != 1 or len(links) < 2:
            continue
        if all(getattr(link, "bias", None) is None for link in links[:-1]):
            yield links


def is_chain(module: nn.Module) -> bool:
    """Whether a module runs its children in their order and does nothing else."""
    return type(module) is nn.Sequential or isinstance(module, Posing)


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


def outgoing(link: nn.Module) -> Tensor:
    """Root mean square of the weights that make each output channel, ``(out,)``."""
    return weight_of(link).detach().flatten(1).square().mean(1).sqrt()


def incoming(link: nn.Module) -> Tensor:
    """Root mean square of the weights that read each input channel, ``(in,)``."""
    weight = by_group(link).transpose(1, 2)  # groups, in, out, *kernel
    return weight.flatten(0, 1).flatten(1).square().mean(1).sqrt()


def scale_outgoing(link: nn.Module, factor: Tensor) -> None:
    """Multiply each output channel."""
    weight = weight_of(link).detach()
    put_weight(link, weight * factor.reshape(-1, *[1] * (weight.ndim - 1)))


def scale_incoming(link: nn.Module, factor: Tensor) -> None:
    """Multiply each input channel's weights."""
    weight = by_group(link)
    scale = factor.reshape(len(weight), 1, -1, *[1] * (weight.ndim - 3))
    put_weight(link, (weight * scale).flatten(0, 1))


def by_group(link: nn.Module) -> Tensor:
    """The weight as ``(groups, out / groups, in / groups, *kernel)``."""
    return weight_of(link).detach().unflatten(0, (getattr(link, "groups", 1), -1))
