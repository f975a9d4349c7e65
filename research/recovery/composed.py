"""Chains of factors computed as the one convolution that each amounts to.

A chain is made of many small layers, and its inner ones have as many channels as the rank: on a
GPU the dense kernel costs less to apply, and composing it next to nothing. Parameters, their names
and what is learned stay those of the chain.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.formats.chains import chains


class Composed(nn.Sequential):
    """A chain of convolutions without biases but the last's, in which no two are wide along one
    spatial mode."""

    def forward(self, x: Tensor) -> Tensor:
        """As the chain's, up to rounding."""
        links: list[Any] = list(self)
        stride, padding, dilation = (
            along(links, name) for name in ("stride", "padding", "dilation")
        )
        return F.conv2d(
            x,
            self.kernel(x).to(memory_format=self.layout(x)),
            links[-1].bias,
            stride=[math.prod(s) for s in stride],
            padding=[sum(p) for p in padding],
            dilation=[math.prod(d) for d in dilation],
        )

    def kernel(self, x: Tensor) -> Tensor:
        """``(out, in, height, width)``, in the type in which ``x`` is to be convolved."""
        links, device = list(self), x.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        with torch.autocast(device, enabled=False):
            if x.is_cuda and links[0].weight.dtype == torch.float32 and separable(links):
                from research.recovery.separable import separable_kernel  # needs Triton

                return separable_kernel(links, dtype)
            return kernel_of(links).to(dtype)

    def layout(self, x: Tensor) -> torch.memory_format:
        """That of the input."""
        last = x.is_contiguous(memory_format=torch.channels_last)
        return torch.channels_last if last else torch.contiguous_format


def separable(links: list[Any]) -> bool:
    """A pointwise layer, depthwise ones, and a pointwise one."""
    first, *between, last = links
    ends = all(not grouped(link) and set(link.kernel_size) == {1} for link in (first, last))
    return ends and bool(between) and all(map(grouped, between))


def grouped(link: Any) -> bool:
    """Whether a link is depthwise; no others with groups are composed."""
    return link.groups > 1


def along(links: list[Any], name: str) -> list[tuple[int, ...]]:
    """A setting of all links, by spatial mode."""
    return list(zip(*(getattr(link, name) for link in links)))


def kernel_of(links: list[Any]) -> Tensor:
    """``(out, in, height, width)``, the product of the links' weights."""
    found = links[0].weight
    for link in links[1:]:
        if grouped(link):
            found = found * link.weight
        else:
            product = torch.einsum("orab,ricd->oiacbd", link.weight, found)
            found = product.flatten(4, 5).flatten(2, 3)
    return found


def compose_all(model: nn.Module) -> nn.Module:
    """Replace, in place, every chain of convolutions of which this is true; returns the model."""
    wanted = {id(links[0]) for links in chains(model) if composable(links)}
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Sequential and len(child) and id(child[0]) in wanted:
                setattr(parent, name, Composed(*child))
    return model


def composable(links: list[Any]) -> bool:
    """Two-mode convolutions, depthwise or whole, from a whole one on, of which at most one is wide
    along each mode."""
    if not all(type(link) is nn.Conv2d for link in links) or grouped(links[0]):
        return False
    if any(grouped(link) and link.weight.shape[:2] != (link.groups, 1) for link in links):
        return False
    return all(sum(size > 1 for size in sizes) <= 1 for sizes in along(links, "kernel_size"))
