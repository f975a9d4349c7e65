"""Somebody's network while tenfold works with it: nothing about it, or about torch, changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from tenfold.network.call import frozen_rng, keeping_buffers
from tenfold.network.check_model import check_model
from tenfold.network.half import widened, widened_inputs
from tenfold.network.plain import out_of_inference, plain_inputs, unwrapped


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
    (``seed`` sets it inside) and the network's buffers are as before when the block ends. The guest
    is the network inside its wrappers."""
    check_model(model)
    model = out_of_inference(unwrapped(model))
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        frozen_rng(seed),
        keeping_buffers(model),
    ):
        yield Guest(model, plain_inputs(example))
