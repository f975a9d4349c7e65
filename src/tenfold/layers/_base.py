"""What a kind of layer is: how one is recognised and read, what it sees, what takes its place.

Everybody else knows one orientation of weights, ``(out, in / groups, *kernel)``, and one order of
axes, batch, channels, spatial axes; a kind translates.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.registry import Registry
from tenfold.values import Call, Link, Site

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
WIDE = 4096  # channels beyond which a full second moment takes too much memory and time


class Kind(ABC):
    """One kind of layer. Stateless. What is not abstract here suits layers of one input and one
    output tensor whose channels lie before their spatial axes."""

    name: str  # what ``Site.kind`` says
    stock: type[nn.Module]  # the class of the layers that ``link`` makes
    general = False  # whether a kind that is made for a module goes before this one
    looks_up = False  # whether the first link looks rows up, at no multiply-accumulates

    def serves(self, module: nn.Module) -> bool:
        """Whether a module is of this kind: the stock class itself, for a subclass may compute
        anything."""
        return type(module) is self.stock

    def refuses(self, module: nn.Module) -> str | None:
        """Why this very module has to stay as it is, or None. Where several kinds serve a module,
        one that does not refuse it comes first."""
        if getattr(module, "parametrizations", None) or has_hooks(module):
            return "it carries hooks or a parametrization that a replacement would lose"
        if "forward" in vars(module):
            return "its forward was replaced by hand"
        weight: Any = self.weight(module)
        if not isinstance(weight, Tensor) or weight.dtype not in DTYPES:
            return f"its weight is {getattr(weight, 'dtype', None)}, not a real floating type"
        site = self.describe(module, "")
        if min(site.in_channels, site.out_channels) == 1:
            return "one of its channel counts is 1"
        return None

    @abstractmethod
    def describe(self, module: nn.Module, name: str, calls: tuple[Call, ...] = ()) -> Site:
        """The geometry of a module. What its weight takes to compute belongs to it
        (``extra_macs``); what it holds beside weight and bias is counted by ``describe`` of this
        room."""

    def weight(self, module: nn.Module) -> Tensor:
        """The weight ``(out, in / groups, *kernel)`` in evaluation mode, through which gradients
        reach whatever it is computed from."""
        return module.weight  # type: ignore[return-value]

    def stored(self, module: nn.Module) -> tuple[Tensor, float]:
        """What the weight is computed from, as a view of it in the weight's orientation, and the
        factor between them; the weight itself where it is anything but a multiple."""
        return self.weight(module), 1.0

    def put(self, module: nn.Module, weight: Tensor) -> None:
        """Write such a weight into a layer that ``link`` made."""
        module.weight.copy_(weight)  # type: ignore[operator]

    def bias(self, module: nn.Module) -> Tensor | None:
        """The bias ``(out,)``, or None."""
        bias = module.bias
        return bias if isinstance(bias, Tensor) else None

    def call(self, site: Site, x: Tensor, y: Tensor) -> Call:
        """Batch and spatial sizes of a call with input ``x`` and output ``y``."""
        axes = len(site.axes)
        batch = x.shape[0] if x.ndim == axes + 2 else 1
        return Call(batch, tuple(x.shape[-axes:]), tuple(y.shape[-axes:]))

    def batched(self, site: Site, x: Tensor) -> Tensor:
        """An input or output with a batch axis, which layers can do without."""
        return x.unsqueeze(0) if x.ndim == len(site.axes) + 1 else x

    def rows(self, site: Site, x: Tensor) -> Tensor:
        """The channels at every position of an input, an output or a gradient of it, with a batch
        axis: ``(positions, channels)``."""
        return x.movedim(1, -1).flatten(0, -2)

    def prior(self, site: Site) -> Tensor | float:
        """What the moments of inputs begin with."""
        return 0.0

    def moment(self, site: Site, rows: Tensor) -> Tensor:
        """The second moment ``(n, n)`` of rows, added up over them; of very wide ones, and where
        all else is zero, the diagonal ``(n,)`` alone."""
        rows = rows.float()
        return rows.T @ rows if rows.shape[1] <= WIDE else rows.square().sum(0)

    @abstractmethod
    def fields(self, site: Site, x: Tensor) -> Tensor:
        """What each output position is computed from, ``(positions, in * window)``: a group's
        columns times its weight, flat from axis 1 on, are the rows of its outputs, in their order
        and without the bias. ``x`` has a batch axis."""

    def some_fields(self, site: Site, x: Tensor, step: int) -> Tensor:
        """About one in ``step`` of the fields."""
        return self.fields(site, x)[::step]

    def example(self, site: Site, call: Call) -> Tensor:
        """Noise of the shape and type of a call's input, always the same."""
        size = (call.batch, site.in_channels, *call.in_size)
        return torch.randn(size, generator=torch.Generator().manual_seed(0)).to(site.dtype)

    def positions(self, call: Call) -> int:
        """Positions of an image at which the weight is applied."""
        return math.prod(call.out_size)

    def applied(self, site: Site, calls: Sequence[Call], index: int, links: int) -> int:
        """Positions over all calls at which link ``index`` of a chain of ``links`` is applied."""
        return sum(call.batch * self.positions(call) for call in calls)

    def sizes(self, site: Site, call: Call, carried: Collection[int]) -> tuple[int, ...]:
        """Spatial sizes inside a chain once the links up to there have ``carried`` these axes."""
        pairs = zip(call.in_size, call.out_size)
        return tuple(o if axis in carried else i for axis, (i, o) in enumerate(pairs))

    @abstractmethod
    def link(self, site: Site, link: Link, factor: Tensor, bias: Tensor | None) -> nn.Module:
        """The stock layer of one link with a kernel ``(out, in / groups, *kernel)`` in the site's
        type, and with a bias or without."""

    def first(self, site: Site, link: Link, factor: Tensor, bias: Tensor | None) -> nn.Module:
        """The stock layer of the first link, which reads what the layer itself reads."""
        return self.link(site, link, factor, bias)

    def assemble(self, site: Site, links: Sequence[nn.Module]) -> nn.Module:
        """The module that takes the layer's place. One that does more than its links, such as to
        pad first, holds them all the same, in a ``Sequential`` of their own."""
        return links[0] if len(links) == 1 else nn.Sequential(*links)

    def say(self, site: Site) -> str:
        """The geometry in words; what is said in the same words takes the same time."""
        padding = site.padding if isinstance(site.padding, str) else by(site.padding)
        kernel = (
            f" k{by(site.kernel)} s{by(site.stride)} p{padding} d{by(site.dilation)}"
            f" {site.padding_mode}"
            if site.kernel
            else ""
        )
        groups = f" g{site.groups}" if site.groups > 1 else ""
        return f"{site.kind} {site.in_channels}->{site.out_channels}{kernel}{groups}"


LAYERS: Registry[Kind] = Registry("kind of layer", "tenfold.layers")


def has_hooks(module: nn.Module) -> bool:
    """Hooks of the user's own on a module."""
    return bool(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)


def by(sizes: Sequence[int]) -> str:
    """``3x3``."""
    return "x".join(map(str, sizes))
