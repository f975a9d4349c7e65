"""``nn.TransformerEncoder`` and its layers without their fast path, which reads the weights of the
layers inside in place of calling them."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.compounds._base import COMPOUNDS, Compound, Opened, as_class
from tenfold.compounds.attention import additive


class OpenedLayer(Opened, nn.TransformerEncoderLayer):
    """A transformer's layer, computed part by part."""

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """As ``nn.TransformerEncoderLayer.forward``."""
        masks = (src_mask, src_key_padding_mask, is_causal)
        if self.norm_first:
            x = src + self._sa_block(self.norm1(src), *masks)
            return x + self._ff_block(self.norm2(x))
        x = self.norm1(src + self._sa_block(src, *masks))
        return self.norm2(x + self._ff_block(x))


class OpenedEncoder(Opened, nn.TransformerEncoder):
    """Transformer layers one after the other."""

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """As ``nn.TransformerEncoder.forward``. Where that packs its input into a nested tensor,
        the outputs at padded positions are zero, and they are here."""
        x, padding = src, src_key_padding_mask
        padding = None if padding is None else additive(padding, src.dtype)
        named = {"src_mask": mask, "src_key_padding_mask": padding, "is_causal": bool(is_causal)}
        for layer in self.layers:
            x = layer(x, **named)
        if padding is not None and mask is None and self.packs(src, padding):
            x = x.masked_fill(padding.bool()[:, :, None], 0.0)
        return x if self.norm is None else self.norm(x)

    def packs(self, src: Tensor, padding: Tensor) -> bool:
        """Whether torch's own makes a nested tensor of this input."""
        checked = getattr(self, "mask_check", True)
        off = not torch.backends.mha.get_fastpath_enabled() or torch.is_autocast_enabled()
        if off or not getattr(self, "use_nested_tensor", False) or src.dim() != 3:
            return False
        first: Any = self.layers[0]
        if first.training or (checked and torch.compiler.is_compiling()):
            return False
        tensors = (src, *first.parameters())
        if torch.is_grad_enabled() and any(x.requires_grad for x in tensors):
            return False
        return not checked or padded_behind(padding)


def padded_behind(padding: Tensor) -> bool:
    """Whether what is padded, which is not 0, follows on all that is not."""
    padded = padding.bool()
    return bool((padded[:, 1:] | ~padded[:, :-1]).all())


class WithoutFastPath(Compound):
    """A class of torch's and what inherits its forward."""

    def __init__(self, closed: type[nn.Module], opened: type[Opened]) -> None:
        self.closed, self.opened = closed, opened

    def serves(self, module: nn.Module) -> bool:
        """Subclasses with a forward of their own may compute anything."""
        return isinstance(module, self.closed) and type(module).forward is self.closed.forward

    def open(self, module: nn.Module) -> Opened:
        """The names stay."""
        cls: type[Opened] = joined(self.opened, type(module))  # type: ignore[arg-type]
        return as_class(module, cls)


@cache
def joined(opened: type[Opened], cls: type[nn.Module]) -> type[Opened]:
    """The opened class with what a subclass of torch's has of its own."""
    return opened if issubclass(opened, cls) else type(opened.__name__, (opened, cls), {})


COMPOUNDS.add("transformer-layer", WithoutFastPath(nn.TransformerEncoderLayer, OpenedLayer))
COMPOUNDS.add("transformer-encoder", WithoutFastPath(nn.TransformerEncoder, OpenedEncoder))
