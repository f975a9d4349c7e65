"""``nn.MultiheadAttention`` -> Linears for queries, keys, values and outputs around
``scaled_dot_product_attention``."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.compounds._base import COMPOUNDS, Compound, Opened, linear_of, parameter_of

KEPT = ("embed_dim", "kdim", "vdim", "num_heads", "head_dim", "dropout", "batch_first")


class OpenedAttention(Opened):
    """Multi-head attention (Vaswani et al., 2017, section 3.2.2) as its parts.

    Takes and returns what ``nn.MultiheadAttention`` does. ``in_proj_weight`` and ``in_proj_bias``
    are None: by these, torch's transformer layers know that they have no fast path.
    """

    in_proj_weight = in_proj_bias = None
    _qkv_same_embed_dim = False
    embed_dim: int
    num_heads: int
    head_dim: int
    dropout: float
    batch_first: bool
    bias_k: Tensor | None
    bias_v: Tensor | None

    def __init__(self, closed: nn.MultiheadAttention) -> None:
        super().__init__()
        for name in KEPT:
            setattr(self, name, getattr(closed, name))
        self.add_zero_attn = closed.add_zero_attn
        biases = (None,) * 3 if closed.in_proj_bias is None else closed.in_proj_bias.chunk(3)
        q, k, v = map(linear_of, weights_in(closed), biases)
        self.q_proj, self.k_proj, self.v_proj = q, k, v
        self.out_proj = linear_of(closed.out_proj.weight, closed.out_proj.bias)
        for name in ("bias_k", "bias_v"):
            extra = getattr(closed, name)
            self.register_parameter(name, None if extra is None else parameter_of(extra))

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """As ``nn.MultiheadAttention.forward``."""
        if is_causal and attn_mask is None:
            raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
        batched = query.dim() == 3
        q, k, v = (self.batch_first_of(x) for x in self.projected(query, key, value))
        if is_causal and key_padding_mask is None and not need_weights:
            mask = None  # the hint says as much
        else:
            mask, is_causal = merged(attn_mask, key_padding_mask, q, self.num_heads), False
        k, v, mask = self.extended(k, v, mask)
        q, k, v = self.in_heads(q), self.in_heads(k), self.in_heads(v)
        dropout = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            mixed, weights = weighted(q, k, v, mask, dropout)
            weights = weights.mean(1) if average_attn_weights else weights
            weights = weights if batched else weights.squeeze(0)
        else:
            mixed = F.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal)
        y = self.out_proj(mixed.transpose(1, 2).flatten(2))
        if not batched:
            return y.squeeze(0), weights
        return (y if self.batch_first else y.transpose(0, 1)), weights

    def projected(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values."""
        return self.q_proj(query), self.k_proj(key), self.v_proj(value)

    def batch_first_of(self, x: Tensor) -> Tensor:
        """``(batch, length, channels)``."""
        if x.dim() == 2:
            return x.unsqueeze(0)
        return x if self.batch_first else x.transpose(0, 1)

    def extended(
        self, k: Tensor, v: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Keys and values with a learned and an empty one behind them, where there are such."""
        empty = k.new_zeros(1, 1, self.embed_dim) if self.add_zero_attn else None
        for key, value in ((self.bias_k, self.bias_v), (empty, empty)):
            if key is None or value is None:
                continue
            k = torch.cat([k, key.expand(len(k), 1, -1)], 1)
            v = torch.cat([v, value.expand(len(v), 1, -1)], 1)
            mask = None if mask is None else F.pad(mask, (0, 1))
        return k, v, mask

    def in_heads(self, x: Tensor) -> Tensor:
        """``(batch, heads, length, channels of a head)``."""
        return x.unflatten(2, (self.num_heads, self.head_dim)).transpose(1, 2)


def weights_in(closed: nn.MultiheadAttention) -> tuple[Tensor, ...]:
    """The weights of queries, keys and values."""
    if closed.in_proj_weight is not None:
        return closed.in_proj_weight.chunk(3)
    return closed.q_proj_weight, closed.k_proj_weight, closed.v_proj_weight


def merged(
    attn_mask: Tensor | None, padding: Tensor | None, q: Tensor, heads: int
) -> Tensor | None:
    """Both masks as numbers to be added to the scores ``(batch, heads, queries, keys)``."""
    masks = []
    if attn_mask is not None:
        several = attn_mask.dim() == 3  # one for each image and head
        masks.append(attn_mask.unflatten(0, (len(q), heads)) if several else attn_mask[None, None])
    if padding is not None:
        masks.append(padding.reshape(len(q), 1, 1, -1))
    added = [additive(mask, q.dtype) for mask in masks]
    return sum(added[1:], added[0]) if added else None


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """True is minus infinity; numbers are what they are."""
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=dtype).masked_fill(mask, -math.inf)


def weighted(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float
) -> tuple[Tensor, Tensor]:
    """Attention, and the weights ``(batch, heads, queries, keys)`` that it used."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    weights = (scores if mask is None else scores + mask).softmax(-1)
    weights = F.dropout(weights, dropout)
    return weights @ v, weights


class Attention(Compound):
    """``nn.MultiheadAttention`` and what inherits its forward."""

    def serves(self, module: nn.Module) -> bool:
        """Subclasses with a forward of their own may compute anything."""
        inherits = getattr(type(module), "forward", None) is nn.MultiheadAttention.forward
        return isinstance(module, nn.MultiheadAttention) and inherits

    def refuses(self, module: nn.Module) -> str | None:
        """Also an output layer that is not torch's own: its weight is read and it never runs."""
        out: Any = module.out_proj
        if not isinstance(out, nn.Linear) or not type(out).__module__.startswith("torch.nn."):
            return f"its out_proj is a {type(out).__name__}"
        return super().refuses(module) or super().refuses(out)

    def open(self, module: nn.Module) -> Opened:
        """Names: ``q_proj``, ``k_proj``, ``v_proj``, ``out_proj``."""
        assert isinstance(module, nn.MultiheadAttention)
        return OpenedAttention(module)


COMPOUNDS.add("attention", Attention())
