"""A layer is what it computes: modules of any class that, in evaluation, are a stock layer.

A subclass, a parametrization, a weight norm, a pruning mask or a standardised weight may stand
behind it. The weight that is factored is the one which the operation was seen to use; what pads
first keeps its padding in front.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from tenfold.errors import InputError
from tenfold.layers._base import LAYERS, Kind
from tenfold.layers._pad import PadFirst, Pads
from tenfold.layers._prove import Proof, bias_of, heard, made, prove, stand_in
from tenfold.layers.conv import Convolution
from tenfold.layers.linear import Linear
from tenfold.layers.transposed import Transposed
from tenfold.values import Call, Link, Site

# hooks of torch's own that compute a weight, with the call that leaves it as a plain parameter
WEIGHT_HOOKS = {
    WeightNorm: "torch.nn.utils.remove_weight_norm(layer)",
    SpectralNorm: "torch.nn.utils.remove_spectral_norm(layer)",
    BasePruningMethod: "torch.nn.utils.prune.remove(layer, 'weight')",
}
PARAMETRIZED = "torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight')"


@dataclass(frozen=True)
class PaddedSite(Site):
    """A convolution with a padding in front of it."""

    pads: Pads | None = None


class Computed(Kind):
    """What is shown to compute as the stock layers of one kind do."""

    general = True

    def __init__(self, base: Kind) -> None:
        self.base, self.name, self.stock = base, f"{base.name}-computed", base.stock
        self.proofs: WeakKeyDictionary[nn.Module, tuple[Any, Proof]] = WeakKeyDictionary()

    def serves(self, module: nn.Module) -> bool:
        """Subclasses, stock layers whose weight a hook of torch computes, and modules of a class
        of somebody's own that are proved to be such a layer."""
        if isinstance(module, self.stock):
            return type(module) is not self.stock or bool(weight_hooks(module))
        return is_foreign(module, self.stock) and self.proof(module).reason is None

    def refuses(self, module: nn.Module) -> str | None:
        """What a replacement would lose, what is not proved, and what the stock kind refuses."""
        if has_other_hooks(module):
            return "it carries hooks that a replacement would lose"
        if "forward" in vars(module):
            return "its forward was replaced by hand"
        reason = self.proof(module).reason
        if reason is None:
            return self.base.refuses(self.stood_in(module))
        return (
            f"it is not shown to be a {self.stock.__name__} with a fixed weight: {reason}; "
            f"{way_out(module)}"
        )

    def proof(self, module: nn.Module) -> Proof:
        """What the module was shown to be, once for as long as its arguments are the same."""
        told = told_of(module)
        before = self.proofs.get(module)
        if before is None or before[0] != told:
            before = told, prove(module, self.stock, channels_of(module))
            self.proofs[module] = before
        return before[1]

    def stood_in(self, module: nn.Module) -> nn.Module:
        """A stock layer with the computed weight and bias, through which gradients flow. Raises
        InputError for what is not proved."""
        proof = self.proof(module)
        if proof.reason is not None:
            raise InputError(f"A layer must be proved before it is read, but found {proof.reason}.")
        x = made(module, self.stock, proof.channels, 0)
        operation = replace(heard(module, self.stock, x)[0], geometry=dict(proof.geometry))
        return stand_in(self.stock, operation, bias_of(module, x))

    def describe(self, module: nn.Module, name: str, calls: tuple[Call, ...] = ()) -> Site:
        """The geometry of the operation, and the padding before it."""
        site = self.base.describe(self.stood_in(module), name, calls)
        site, pads = replace(site, kind=self.name), self.proof(module).pads
        if pads is None:
            return site
        parts = {part.name: getattr(site, part.name) for part in fields(site)}
        return PaddedSite(**parts, pads=pads)

    def weight(self, module: nn.Module) -> Tensor:
        """The weight that the operation was seen to use."""
        return self.base.weight(self.stood_in(module))

    def bias(self, module: nn.Module) -> Tensor | None:
        """What is put out on zeros."""
        return self.base.bias(self.stood_in(module))

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


def pads_of(site: Site) -> Pads | None:
    """The padding in front, if there is one."""
    return getattr(site, "pads", None)


def weight_hooks(module: nn.Module) -> list[str]:
    """For each hook of torch's own that computes a tensor of the module, the call that ends it."""
    return [
        way
        for hook in module._forward_pre_hooks.values()
        for kind, way in WEIGHT_HOOKS.items()
        if isinstance(hook, kind)
    ]


def has_other_hooks(module: nn.Module) -> bool:
    """Hooks beside those."""
    others = len(module._forward_pre_hooks) - len(weight_hooks(module))
    return bool(others or module._forward_hooks or module._backward_hooks)


def way_out(module: nn.Module) -> str:
    """What makes a plain layer of it."""
    if getattr(module, "parametrizations", None):
        return f"call {PARAMETRIZED} first"
    ways = weight_hooks(module)
    return f"call {ways[0]} first" if ways else "put a stock layer in its place first"


def is_foreign(module: nn.Module, stock: type[nn.Module]) -> bool:
    """Whether a module of a class outside torch holds no others, and one weight of as many axes
    as the stock class has; transposed layers are told by their class alone."""
    if type(module).__module__.startswith("torch.") or module._modules:
        return False
    sizes = [p.ndim for p in module._parameters.values() if p is not None and p.ndim > 1]
    return sizes == [{nn.Linear: 2, nn.Conv1d: 3, nn.Conv2d: 4, nn.Conv3d: 5}.get(stock, 0)]


def channels_of(module: nn.Module) -> list[int]:
    """How many channels a module may read."""
    for name in ("in_channels", "in_features"):
        if isinstance(getattr(module, name, None), int):
            return [getattr(module, name)]
    shape = max((p.shape for p in module.parameters()), key=len)
    groups = getattr(module, "groups", 1)
    return [shape[1], shape[0]] if len(shape) == 2 else [shape[1] * groups]


def told_of(module: nn.Module) -> Any:
    """What a proof depends on beside the numbers of the parameters."""
    plain = (int, float, str, bool, tuple, type(None), torch.dtype)
    own = {k: v for k, v in vars(module).items() if isinstance(v, plain) and k != "training"}
    types = [(name, p.dtype, p.shape) for name, p in module.named_parameters()]
    return type(module), own, types, [type(part) for part in module.modules()]


for base in (
    Linear(),
    *map(Convolution, (nn.Conv1d, nn.Conv2d, nn.Conv3d)),
    *map(Transposed, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)),
):
    LAYERS.add(f"{base.name}-computed", Computed(base))
