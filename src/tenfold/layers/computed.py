"""A layer is what it computes: modules of any class that, in evaluation, are a stock layer.

A subclass, a parametrization, a weight norm, a pruning mask or a standardised weight may stand
behind it. The weight that is factored is the one which the operation was seen to use; what pads
first keeps its padding in front.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from tenfold.errors import InputError
from tenfold.layers._base import LAYERS, Kind
from tenfold.layers._pad import PadFirst, Pads
from tenfold.layers._prove import Proof, bias_of, heard, made, prove, stand_in
from tenfold.layers._recognise import (
    channels_of,
    has_other_hooks,
    holds_layers,
    is_foreign,
    key_of,
    way_out,
    weight_hooks,
)
from tenfold.layers.conv import Convolution
from tenfold.layers.linear import Linear
from tenfold.layers.transposed import Transposed
from tenfold.values import Call, Link, Site, extended


@dataclass(frozen=True)
class PaddedSite(Site):
    """A convolution with a padding in front of it."""

    pads: Pads | None = None


@dataclass(frozen=True)
class Reading:
    """A proof with what it depends on, and what follows: a site without a name, or the reason why
    the stock kind refuses it."""

    key: Any
    proof: Proof
    site: Site | None = None
    refusal: str | None = None


class Computed(Kind):
    """What is shown to compute as the stock layers of one kind do."""

    general = True

    def __init__(self, base: Kind) -> None:
        self.base, self.name, self.stock = base, f"{base.name}-computed", base.stock
        self.readings: WeakKeyDictionary[nn.Module, Reading] = WeakKeyDictionary()

    def serves(self, module: nn.Module) -> bool:
        """Subclasses, stock layers whose weight a hook of torch computes, and modules of a class
        of somebody's own, for which no kind is made, that are proved to be such a layer."""
        if isinstance(module, self.stock):
            return type(module) is not self.stock or bool(weight_hooks(module))
        if any(type(module) is kind.stock for kind in LAYERS.values()):
            return False
        return is_foreign(module, self.stock) and self.reading(module).proof.reason is None

    def refuses(self, module: nn.Module) -> str | None:
        """What a replacement would lose, what is not proved, and what the stock kind refuses."""
        if has_other_hooks(module):
            return "it carries hooks that a replacement would lose"
        if "forward" in vars(module):
            return "its forward was replaced by hand"
        reading = self.reading(module)
        if reading.proof.reason is None:
            return reading.refusal
        return (
            f"it is not shown to be a {self.stock.__name__} with a fixed weight: "
            f"{reading.proof.reason}; {way_out(module)}"
        )

    def describe(self, module: nn.Module, name: str, calls: tuple[Call, ...] = ()) -> Site:
        """The geometry of the operation, and the padding before it. Raises InputError for what
        is not proved."""
        reading = self.reading(module)
        if reading.site is None:
            raise unproved(reading.proof)
        return replace(reading.site, name=name, calls=calls)

    def reading(self, module: nn.Module) -> Reading:
        """What the module was shown to be, once for as long as its arguments are the same."""
        key, known = key_of(module), self.readings.get(module)
        if known is None or known.key != key:
            known = self.readings[module] = self.read(module, key)
        return known

    def read(self, module: nn.Module, key: Any) -> Reading:
        """The same, anew."""
        proof = prove(module, self.stock, channels_of(module))
        if holds_layers(module):  # which would be factored twice, alone and as a part of it
            proof = Proof("it holds layers of its own")
        if proof.reason is not None:
            return Reading(key, proof)
        layer = self.stood_in(module, proof)
        site = replace(self.base.describe(layer, ""), kind=self.name)
        return Reading(key, proof, behind(proof.pads, site), self.base.refuses(layer))

    def stood_in(self, module: nn.Module, proof: Proof) -> nn.Module:
        """A stock layer with the computed weight and bias, through which gradients flow. Raises
        InputError for what is not proved."""
        if proof.reason is not None:
            raise unproved(proof)
        x = made(module, self.stock, proof.channels, 0)
        operation = replace(heard(module, self.stock, x)[0], geometry=dict(proof.geometry))
        return stand_in(self.stock, operation, bias_of(module, x))

    def weight(self, module: nn.Module) -> Tensor:
        """The weight that the operation was seen to use."""
        return self.base.weight(self.stood_in(module, self.reading(module).proof))

    def bias(self, module: nn.Module) -> Tensor | None:
        """What is put out on zeros."""
        return self.base.bias(self.stood_in(module, self.reading(module).proof))

    def call(self, site: Site, x: Tensor, y: Tensor) -> Call:
        """As the stock kind has it."""
        return self.base.call(site, x, y)

    def batched(self, site: Site, x: Tensor) -> Tensor:
        """As the stock kind has it."""
        return self.base.batched(site, x)

    def rows(self, site: Site, x: Tensor) -> Tensor:
        """As the stock kind has it."""
        return self.base.rows(site, x)

    def fields(self, site: Site, x: Tensor) -> Tensor:
        """Those of the padded input."""
        pads = pads_of(site)
        return self.base.fields(site, pads.pad(x, len(site.axes)) if pads else x)

    def positions(self, call: Call) -> int:
        """As the stock kind has it."""
        return self.base.positions(call)

    def sizes(self, site: Site, call: Call, carried: Collection[int]) -> tuple[int, ...]:
        """Those inside the chain, behind the padding."""
        pads = pads_of(site)
        padded = replace(call, in_size=pads.padded(call.in_size)) if pads else call
        return self.base.sizes(site, padded, carried)

    def example(self, site: Site, call: Call) -> Tensor:
        """As the stock kind has it."""
        return self.base.example(site, call)

    def link(self, site: Site, link: Link, factor: Tensor, bias: Tensor | None) -> nn.Module:
        """The stock layer."""
        return self.base.link(site, link, factor, bias)

    def assemble(self, site: Site, links: Sequence[nn.Module]) -> nn.Module:
        """The chain, with the padding in front."""
        chain, pads = self.base.assemble(site, links), pads_of(site)
        return nn.Sequential(PadFirst(pads, len(site.axes)), chain) if pads else chain

    def say(self, site: Site) -> str:
        """The stock layer's words, and the padding."""
        pads = pads_of(site)
        words = self.base.say(replace(site, kind=self.base.name))
        return f"{words} behind {pads}" if pads else words


def behind(pads: Pads | None, site: Site) -> Site:
    """The site of a layer that pads first."""
    return site if pads is None else extended(site, PaddedSite, pads=pads)


def unproved(proof: Proof) -> InputError:
    """The error for reading a layer that has to stay as it is."""
    return InputError(f"A layer must be proved before it is read, but found that {proof.reason}.")


def pads_of(site: Site) -> Pads | None:
    """The padding in front, if there is one."""
    return getattr(site, "pads", None)


for base in (
    Linear(),
    *map(Convolution, (nn.Conv1d, nn.Conv2d, nn.Conv3d)),
    *map(Transposed, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)),
):
    LAYERS.add(f"{base.name}-computed", Computed(base))
