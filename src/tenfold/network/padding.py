"""Positions of a batch that are padding, from the masks that people pass beside their tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.network.names import named_arguments, positional

KEPT, DROPPED = "attention_mask", "padding_mask"  # ends of names; the latter is True at padding


def masks_of(model: nn.Module, inputs: Any) -> dict[str, Tensor]:
    """Masks ``(batch, time)`` by name, True where a position counts; none that keep everything."""
    marked = {}
    for name, x in named_arguments(inputs, positional(model)):
        if not isinstance(x, Tensor) or x.ndim != 2 or x.is_complex():
            continue
        if name.endswith(DROPPED):
            keep = ~x if x.dtype == torch.bool else x >= 0 if x.is_floating_point() else x == 0
        elif name.endswith(KEPT):
            keep = x > 0
        else:
            continue
        if bool(keep.any()) and not bool(keep.all()):
            marked[name] = keep
    return marked


def counted(x: Tensor, masks: Mapping[str, Tensor], decoding: bool = True) -> Tensor:
    """A tensor ``(batch, time, ...)`` as the positions ``(n, ...)`` that are not padding; one of
    another shape as it is."""
    mask = mask_for(tuple(x.shape[:2]), masks, decoding) if x.ndim > 1 else None
    return x if mask is None else x[mask.to(x.device)]


def counted_rows(x: Tensor, rows: Tensor, masks: Mapping[str, Tensor], name: str) -> Tensor:
    """Rows ``(positions, channels)`` of what the layer ``name`` sees, ``x``, without padding: batch
    by batch, or with time first where ``x`` is laid out so."""
    decoding = "decoder" in name or "encoder" not in name
    for sizes, mask in ((tuple(m.shape), m) for m in ordered(masks, decoding)):
        if len(rows) != mask.numel():
            continue
        time_first = tuple(x.shape[:2]) == sizes[::-1] and sizes[0] != sizes[1]
        flat = (mask.T if time_first else mask).flatten()
        return rows[flat.to(rows.device)]
    return rows


def mask_for(sizes: tuple[int, ...], masks: Mapping[str, Tensor], decoding: bool) -> Tensor | None:
    """The mask of these sizes, the decoder's before others where ``decoding``."""
    fitting = (mask for mask in ordered(masks, decoding) if tuple(mask.shape) == sizes)
    return next(fitting, None)


def ordered(masks: Mapping[str, Tensor], decoding: bool) -> list[Tensor]:
    """Masks, first those of the side that is meant."""
    names = sorted(masks, key=lambda name: name.startswith(("decoder", "tgt")) != decoding)
    return [masks[name] for name in names]
