"""Somebody's network while tenfold works with it: nothing about it, or about torch, changes.

Networks of half precision are sensed, fitted and trained as single-precision copies: synthetic
inputs, moments and optimiser steps drown in half precision's rounding, and fp16 overflows; what is
handed back has the types of the original.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import nn

from tenfold.machine.memory import keeping_memory
from tenfold.network.accept import check_model, out_of_inference, plain_inputs, unwrapped
from tenfold.network.call import frozen_rng, keeping_buffers
from tenfold.network.copying import copy_of
from tenfold.network.inputs import mapped

HALF = (torch.float16, torch.bfloat16)
A = TypeVar("A")


@dataclass(frozen=True)
class Guest:
    """A network and an input of it, as they came and in single precision."""

    model: nn.Module
    example: Any

    @cached_property
    def exact(self) -> nn.Module:
        """The network itself; a copy in fp32 where its weights are of half precision."""
        return widened(self.model)

    @cached_property
    def exact_example(self) -> Any:
        """The example as ``exact`` takes it."""
        return widened_inputs(self.example, self.model)


@contextmanager
def hosting(model: nn.Module, example: Any = None, seed: int | None = None) -> Iterator[Guest]:
    """Gradients can be had inside, also where the caller switched them off; torch's random state
    (``seed`` sets it inside) and the network's buffers are as before when the block ends. Memory
    that is freed inside is kept until then. The guest is the network inside its wrappers, and what
    is compiled runs as it is written, for layers are watched and exchanged."""
    check_model(model)
    model = out_of_inference(unwrapped(model))
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        as_written(),
        frozen_rng(seed),
        keeping_buffers(model),
        keeping_memory(),
    ):
        yield Guest(model, plain_inputs(example))


def as_written() -> AbstractContextManager[Any]:
    """What is compiled runs as it is written inside. Nothing is where torch's compiler was not even
    loaded, which takes a second."""
    loaded = "torch._dynamo" in sys.modules
    return torch.compiler.set_stance("force_eager") if loaded else nullcontext()


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
