"""The kernel of a separable chain and its gradients, by one GPU kernel each.

``W[o, t, i] = sum_r U[o, r] D[r, t] V[r, i]``: a pointwise factor ``V``, a depthwise one ``D`` of
``t`` taps, and a pointwise one ``U``. Of stock operations it takes fifteen, whose launches cost
more than what they compute.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

RANKS = 32  # summed at a time
LEAST = 16  # the smallest side of a matrix product


@triton.jit(do_not_specialize=["rank"])  # type: ignore[untyped-decorator]
def compose(
    U,
    D,
    V,
    W,
    outputs,
    rank,
    taps,
    inputs,
    OUT: tl.constexpr,
    RANK: tl.constexpr,
    IN: tl.constexpr,
):
    """A tap of ``W`` a program."""
    tap = tl.program_id(0)
    o, i = tl.arange(0, OUT), tl.arange(0, IN)
    total = tl.zeros((OUT, IN), tl.float32)
    for first in range(0, rank, RANK):
        r = first + tl.arange(0, RANK)
        kept = r < rank
        u = tl.load(U + o[:, None] * rank + r, (o[:, None] < outputs) & kept, 0.0)
        d = tl.load(D + r * taps + tap, kept, 0.0)
        v = tl.load(V + r[:, None] * inputs + i, kept[:, None] & (i < inputs), 0.0)
        total += tl.dot(u, d[:, None] * v, input_precision="ieee")
    place = W + o[:, None] * taps * inputs + tap * inputs + i
    tl.store(place, total.to(W.dtype.element_ty), (o[:, None] < outputs) & (i < inputs))


@triton.jit(do_not_specialize=["rank"])  # type: ignore[untyped-decorator]
def descend(
    U,
    D,
    V,
    G,
    to_u,
    to_d,
    to_v,
    outputs,
    rank,
    taps,
    inputs,
    along_o,
    along_t,
    along_i,
    OUT: tl.constexpr,
    RANK: tl.constexpr,
    IN: tl.constexpr,
):
    """The gradients of ``RANK`` ranks a program, from those of ``W``."""
    r = tl.program_id(0) * RANK + tl.arange(0, RANK)
    o, i = tl.arange(0, OUT), tl.arange(0, IN)
    of_u = (o[:, None] < outputs) & (r < rank)
    of_v = (r[:, None] < rank) & (i < inputs)
    u = tl.load(U + o[:, None] * rank + r, of_u, 0.0)
    v = tl.load(V + r[:, None] * inputs + i, of_v, 0.0)
    sum_u, sum_v = tl.zeros((OUT, RANK), tl.float32), tl.zeros((RANK, IN), tl.float32)
    for tap in range(taps):
        place = G + o[:, None] * along_o + tap * along_t + i * along_i
        g = tl.load(place, (o[:, None] < outputs) & (i < inputs), 0.0).to(tl.float32)
        d = tl.load(D + r * taps + tap, r < rank, 0.0)
        across = tl.dot(tl.trans(u), g, input_precision="ieee")
        tl.store(to_d + r * taps + tap, tl.sum(across * v, 1), r < rank)
        sum_v += d[:, None] * across
        sum_u += tl.dot(g, tl.trans(v), input_precision="ieee") * d
    tl.store(to_u + o[:, None] * rank + r, sum_u, of_u)
    tl.store(to_v + r[:, None] * inputs + i, sum_v, of_v)


class Composition(torch.autograd.Function):
    """``W`` ``(out, taps, in)`` of ``U`` ``(out, rank)``, ``D`` ``(rank, taps)`` and ``V``
    ``(rank, in)``, all in fp32, in a type of one's choice."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, d: Tensor, v: Tensor, dtype: torch.dtype) -> Tensor:
        u, d, v = u.contiguous(), d.contiguous(), v.contiguous()
        ctx.save_for_backward(u, d, v)
        (outputs, rank), taps, inputs = u.shape, d.shape[1], v.shape[1]
        found = torch.empty(outputs, taps, inputs, device=u.device, dtype=dtype)
        compose[(taps,)](
            u,
            d,
            v,
            found,
            outputs,
            rank,
            taps,
            inputs,
            OUT=side(outputs),
            RANK=RANKS,
            IN=side(inputs),
        )
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # type: ignore[override]
        u, d, v = ctx.saved_tensors
        (outputs, rank), taps, inputs = u.shape, d.shape[1], v.shape[1]
        found = [torch.empty_like(factor) for factor in (u, d, v)]
        descend[(triton.cdiv(rank, LEAST),)](
            u,
            d,
            v,
            gradient,
            *found,
            outputs,
            rank,
            taps,
            inputs,
            *gradient.stride(),
            OUT=side(outputs),
            RANK=LEAST,
            IN=side(inputs),
        )
        return found[0], found[1], found[2], None


def side(count: int) -> int:
    """Of the tile that holds so many."""
    return max(LEAST, int(triton.next_power_of_2(count)))


def separable_kernel(links: list[Any], dtype: torch.dtype) -> Tensor:
    """``(out, in, height, width)``, channels last."""
    first, *between, last = links
    taps = between[0].weight
    for link in between[1:]:
        taps = taps * link.weight
    found = Composition.apply(
        last.weight.flatten(1), taps.flatten(1), first.weight.flatten(1), dtype
    )  # type: ignore[no-untyped-call]
    return found.unflatten(1, taps.shape[2:]).movedim(3, 1)
