"""Networks of half precision are sensed, fitted and trained as single-precision copies.

Synthetic inputs, moments and optimiser steps drown in half precision's rounding, and fp16
overflows; what is handed back has the types of the original.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import nn

from tenfold.network.copying import copy_of
from tenfold.network.inputs import mapped

HALF = (torch.float16, torch.bfloat16)
A = TypeVar("A")


def is_half(model: nn.Module) -> bool:
    """Whether some weights are in half precision."""
    return any(p.dtype in HALF for p in model.parameters())


def widened(model: nn.Module) -> nn.Module:
    """The model itself, or where weights are in half precision a copy in fp32, which takes the
    inputs that the original takes."""
    if not is_half(model):
        return model
    wide = copy_of(model).float()
    wide.register_forward_pre_hook(_take_half, with_kwargs=True)
    return wide


def widened_inputs(inputs: A, model: nn.Module) -> A:
    """Inputs of a model as its widened copy takes them."""
    return _wide(inputs) if is_half(model) else inputs


def _take_half(
    module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return _wide(args), _wide(kwargs)


def _wide(inputs: Any) -> Any:
    """Tensors of half precision, also inside tuples, lists and mappings, in fp32."""
    return mapped(lambda x: x.float() if x.dtype in HALF else x, inputs)
