"""What a clock sees of a replaced layer: geometry, input size, format and ranks; no weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from tenfold.formats import FORMATS
from tenfold.layers import LAYERS, by
from tenfold.values import Call, Site


@dataclass(frozen=True)
class Unit:
    """One call of one site in one format. Sites of equal geometry share their units."""

    site: Site  # without a name, with one call
    format: str = "dense"
    ranks: tuple[int, ...] = ()

    @property
    def place(self) -> str:
        """The layer that is replaced and the size of its input, in words."""
        site, (call,) = self.site, self.site.calls
        dtype = str(site.dtype).removeprefix("torch.")
        return (
            f"{LAYERS[site.kind].say(site)}{' bias' if site.bias else ''} {dtype} "
            f"on {by((call.batch, *call.in_size))}"
        )

    @property
    def key(self) -> str:
        """The place, and what stands in it."""
        return f"{self.place} as {' '.join((self.format, by(self.ranks))).strip()}"

    def example(self) -> Tensor:
        """Noise of the input's shape."""
        (call,) = self.site.calls
        return LAYERS[self.site.kind].example(self.site, call)

    def module(self) -> nn.Module:
        """Stock layers of the right shapes, holding noise: zeros could be optimised away."""
        fmt, generator = FORMATS[self.format], torch.Generator().manual_seed(0)
        factors = [
            torch.randn(shape, generator=generator) / max(1, shape[1] * len(shape)) ** 0.5
            for shape in fmt.shapes(self.site, self.ranks)
        ]
        bias = torch.zeros(self.site.out_channels, dtype=self.site.dtype)
        return fmt.layers(self.site, self.ranks, factors, bias if self.site.bias else None).eval()


def units_of(site: Site, fmt: str = "dense", ranks: Sequence[int] = ()) -> tuple[Unit, ...]:
    """One unit a call of the site, in every place of its weight."""
    return tuple(
        Unit(alone(place, call), fmt, tuple(map(int, ranks)))
        for place in site.places
        for call in place.calls
    )


def alone(place: Site, call: Call) -> Site:
    """A layer that nobody else shares its weight with, called once."""
    return replace(place, name="", calls=(call,), turned=False, scale=1.0, own_bias=True)
