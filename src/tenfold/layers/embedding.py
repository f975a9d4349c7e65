"""Embedding: a lookup is a linear map of a one-hot input, so a narrow table and a Linear take the
place of a wide table.

The weight ``(dim, rows)`` is the table the other way round. A subclass is served where it is shown
to look its input up in a table that may be computed, such as a scaled one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.errors import InputError
from tenfold.layers._base import LAYERS
from tenfold.layers._lookup import Lookup, prove_lookup, table_of
from tenfold.layers._read import filled
from tenfold.layers._recognise import has_other_hooks, holds_layers, key_of, way_out
from tenfold.layers.linear import Linear
from tenfold.values import Call, Link, Site


@dataclass(frozen=True)
class EmbeddingSite(Site):
    """A site with what a table says of its gradients."""

    padding_idx: int | None = None
    scale_grad_by_freq: bool = False
    sparse: bool = False


class Embedding(Linear):
    """``nn.Embedding``; behind the table its links are those of a linear layer."""

    name = "embedding"
    stock = nn.Embedding
    looks_up = True

    def refuses(self, module: nn.Module) -> str | None:
        """Tables whose rows change as they are looked up, beside what any layer is refused for."""
        return super().refuses(module) or renormalised(module)

    def describe(self, module: nn.Module, name: str, calls: tuple[Call, ...] = ()) -> Site:
        """As many channels as rows go in, as many as they are wide come out."""
        layer: Any = module
        weight, _ = self.stored(layer)
        width, rows = weight.shape
        return EmbeddingSite(
            name,
            self.name,
            rows,
            width,
            dtype=weight.dtype,
            calls=calls,
            padding_idx=layer.padding_idx,
            scale_grad_by_freq=layer.scale_grad_by_freq,
            sparse=layer.sparse,
        )

    def weight(self, module: nn.Module) -> Tensor:
        """The table, ``(dim, rows)``."""
        return module.weight.T  # type: ignore[operator, return-value]

    def put(self, module: nn.Module, weight: Tensor) -> None:
        """Write such a weight."""
        module.weight.copy_(weight.T)  # type: ignore[operator]

    def bias(self, module: nn.Module) -> Tensor | None:
        """None."""
        return None

    def call(self, site: Site, x: Tensor, y: Tensor) -> Call:
        """All axes of the numbers that go in count as batch."""
        return Call(x.numel(), (), ())

    def rows(self, site: Site, x: Tensor) -> Tensor:
        """Every vector of an output; of an input the number that stands for its one-hot row,
        ``(positions,)``."""
        return x.flatten(0, -2) if x.is_floating_point() else x.flatten()

    def prior(self, site: Site) -> Tensor:
        """One lookup of every row: few inputs lack most words (Laplace's rule of succession)."""
        return torch.ones(site.in_channels)

    def moment(self, site: Site, rows: Tensor) -> Tensor:
        """How often each row is looked up, ``(rows,)``."""
        if rows.is_floating_point():
            return super().moment(site, rows)
        return torch.bincount(rows, minlength=site.in_channels).float()

    def fields(self, site: Site, x: Tensor) -> Tensor:
        """One-hot rows: of small tables only."""
        return F.one_hot(x.flatten().long(), site.in_channels).to(site.dtype)

    def example(self, site: Site, call: Call) -> Tensor:
        """Numbers of rows."""
        generator = torch.Generator().manual_seed(0)
        return torch.randint(site.in_channels, (call.batch,), generator=generator)

    def first(self, site: Site, link: Link, factor: Tensor, bias: Tensor | None) -> nn.Module:
        """The narrow table; the row of the padding stays without gradients."""
        layer = nn.utils.skip_init(
            nn.Embedding,
            int(link.in_channels),
            int(link.out_channels),
            padding_idx=getattr(site, "padding_idx", None),
            scale_grad_by_freq=getattr(site, "scale_grad_by_freq", False),
            sparse=getattr(site, "sparse", False),
        )
        return filled(layer, factor.T.to(site.dtype), None)


class ComputedEmbedding(Embedding):
    """What is shown to look its input up in a fixed table."""

    name = "embedding-computed"
    general = True

    def __init__(self) -> None:
        self.readings: WeakKeyDictionary[nn.Module, tuple[Any, Lookup]] = WeakKeyDictionary()

    def serves(self, module: nn.Module) -> bool:
        """Subclasses, parametrized tables included."""
        return isinstance(module, nn.Embedding) and type(module) is not nn.Embedding

    def refuses(self, module: nn.Module) -> str | None:
        """What a replacement would lose, and what is not proved."""
        if has_other_hooks(module):
            return "it carries hooks that a replacement would lose"
        if "forward" in vars(module):
            return "its forward was replaced by hand"
        if holds_layers(module):
            return "it holds layers of its own"
        reason = self.lookup(module).reason
        if reason is None:
            return renormalised(module)
        return f"it is not shown to look its input up in a fixed table: {reason}; {way_out(module)}"

    def lookup(self, module: nn.Module) -> Lookup:
        """What the module was shown to be, once for as long as its arguments are the same."""
        told = key_of(module)
        known = self.readings.get(module)
        if known is None or known[0] != told:
            known = self.readings[module] = told, prove_lookup(module)
        return known[1]

    def weight(self, module: nn.Module) -> Tensor:
        """The table as it is computed. Raises InputError for what is not proved."""
        lookup, layer = self.lookup(module), module
        if lookup.reason is not None:
            raise InputError(
                f"A layer must be proved before it is read, but found that {lookup.reason}."
            )
        if lookup.scale is None:
            return table_of(layer).T
        return self.stored(layer)[0] * lookup.scale

    def stored(self, module: nn.Module) -> tuple[Tensor, float]:
        """The module's own weight, where the table is a multiple of it."""
        scale = self.lookup(module).scale
        return (self.weight(module), 1.0) if scale is None else (super().weight(module), scale)


def renormalised(module: Any) -> str | None:
    """Why a table with a largest norm stays as it is; None for others."""
    if module.max_norm is None:
        return None
    return (
        f"max_norm={module.max_norm} shortens rows of its table as they are looked up; "
        "set max_norm to None first"
    )


LAYERS.add("embedding", Embedding())
LAYERS.add("embedding-computed", ComputedEmbedding())
