"""What reads the hidden state of a recurrent layer: one map a direction, applied step by step.

It exists while tenfold works. A factor of it becomes the projection inside a stock LSTM, so what
a factored one takes beyond its links is priced here: the initial state that is projected too, and
the final one that is brought back to its size.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.layers._base import LAYERS, Kind
from tenfold.layers._read import filled
from tenfold.values import Call, Link, Site

# What a call is, in place of its spatial size: the shapes of the inputs tell.
Size: TypeAlias = tuple[int, ...]
STEP: Size = (1,)
FIRST: Size = (2,)
INITIAL: Size = (3,)


class StateReader(nn.Module):
    """``(1, directions * hidden, n) -> (1, directions * rows, n)``, each direction for itself; so
    laid out, a convolution is as fast as a product.

    With ``passes`` above 0, the state times that number comes after the rows of the weight
    ``(directions * rows, hidden, 1)``: rows that are no parameters. ``keeps`` says that the final
    state is asked for and no row passes it on; ``left`` why the weight has to stay as it is.
    """

    def __init__(
        self,
        weight: Tensor,
        directions: int,
        passes: float = 0.0,
        keeps: bool = False,
        left: str | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach(), weight.requires_grad)
        self.groups = directions
        self.passes, self.keeps, self.left = passes, keeps, left
        self.register_parameter("bias", None)

    def forward(self, h: Tensor) -> Tensor:
        """Of a step; of the first step ``(channels, n)``."""
        rows = F.conv1d(h, self.weight, groups=self.groups)
        if not self.passes:
            return rows
        parts = [x.unflatten(-2, (self.groups, -1)) for x in (rows, self.passes * h)]
        return torch.cat(parts, -2).flatten(-3, -2)


@dataclass(frozen=True)
class StateSite(Site):
    """A site that may have to give the final state back, too."""

    keeps: bool = False


class StateReaders(Kind):
    """``StateReader``, whose links are pointwise convolutions in groups."""

    name = "state"
    stock = StateReader

    def refuses(self, module: nn.Module) -> str | None:
        """What it was made to say, beside what any layer is refused for."""
        reader: Any = module
        if reader.weight.shape[1] == 1:
            return "its hidden state is one number"
        return reader.left or super().refuses(module)

    def describe(self, module: nn.Module, name: str, calls: tuple[Call, ...] = ()) -> Site:
        """Channels of all directions; the rows that pass the state on take no products."""
        reader: Any = module
        rows, hidden, _ = self.weight(module).shape
        steps = sum(self.positions(call) * call.batch for call in calls)
        free = hidden * hidden * reader.groups * steps if reader.passes else 0
        return StateSite(
            name,
            self.name,
            hidden * reader.groups,
            rows,
            kernel=(1,),
            stride=(1,),
            padding=(0,),
            dilation=(1,),
            groups=reader.groups,
            dtype=reader.weight.dtype,
            calls=calls,
            extra_macs=-free / max(1, len(calls)),
            keeps=reader.keeps,
        )

    def weight(self, module: nn.Module) -> Tensor:
        """With the rows that pass the state on."""
        reader: Any = module
        if not reader.passes:
            return reader.weight  # type: ignore[no-any-return]
        parts = reader.weight.unflatten(0, (reader.groups, -1))
        eye = torch.eye(parts.shape[2]).to(parts)[None, :, :, None]
        passing = (reader.passes * eye).expand(reader.groups, -1, -1, -1)
        return torch.cat([parts, passing], 1).flatten(0, 1)

    def call(self, site: Site, x: Tensor, y: Tensor) -> Call:
        """An initial state comes with as many zeros, ``(2, channels, n)``."""
        what = FIRST if x.ndim == 2 else INITIAL if len(x) == 2 else STEP
        return Call(x.shape[-1], what, what)

    def fields(self, site: Site, x: Tensor) -> Tensor:
        """The state itself."""
        return self.rows(site, x)

    def positions(self, call: Call) -> int:
        """Once a step, and never for an initial state: that a step reads in place of the last."""
        return 0 if call.in_size == INITIAL else 1

    def applied(self, site: Site, calls: Sequence[Call], index: int, links: int) -> int:
        """The first of two links also projects an initial state, and brings a final one back."""
        steps = super().applied(site, calls, index, links)
        if links == 1 or index > 0:
            return steps
        again = (INITIAL, FIRST) if getattr(site, "keeps", False) else (INITIAL,)
        return steps + sum(call.batch for call in calls if call.in_size in again)

    def sizes(self, site: Site, call: Call, carried: Collection[int]) -> tuple[int, ...]:
        """What the call is."""
        return call.in_size

    def example(self, site: Site, call: Call) -> Tensor:
        """A state of the call's shape."""
        n, c = call.batch, site.in_channels
        size = {FIRST: (c, n), INITIAL: (2, c, n)}.get(call.in_size, (1, c, n))
        return torch.randn(size, generator=torch.Generator().manual_seed(0)).to(site.dtype)

    def link(self, site: Site, link: Link, factor: Tensor, bias: Tensor | None) -> nn.Module:
        """A pointwise convolution."""
        layer = nn.utils.skip_init(
            nn.Conv1d,
            int(link.in_channels),
            int(link.out_channels),
            1,
            groups=int(link.groups),
            bias=False,
        )
        return filled(layer, factor.to(site.dtype), None)


LAYERS.add("state", StateReaders())
