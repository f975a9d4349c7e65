"""Run a model on an example without leaving a trace: mode, gradients, buffers and RNG."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.network.inputs import mapped


def call(model: nn.Module, example: Any) -> Any:
    """``invoke`` on a copy: some networks normalise their input in place."""
    return invoke(model, copied(example))


def invoke(model: nn.Module, example: Any) -> Any:
    """``model(example)``; a tuple is spread over the arguments, a mapping over the keywords."""
    if isinstance(example, Mapping):
        return model(**example)
    if isinstance(example, (tuple, list)):
        return model(*example)
    return model(example)


def copied(example: Any) -> Any:
    """The example with tensors of its own, to which gradients still flow."""
    return mapped(Tensor.clone, example)


def run(model: nn.Module, example: Any) -> Any:
    """``call`` in evaluation mode without gradients; the mode of every module is put back."""
    with evaluating(model), keeping_buffers(model), torch.no_grad(), frozen_rng():
        return call(model, example)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, each module's own mode again outside."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def keeping_buffers(model: nn.Module) -> Iterator[None]:
    """Buffers that forward passes inside change, or put others in place of, are as they were."""
    kept = [
        (module, name, buffer, buffer.clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    try:
        yield
    finally:
        for module, name, buffer, before in kept:
            if buffer.layout != torch.strided or not torch.equal(buffer, before):
                buffer.copy_(before)
            module._buffers[name] = buffer


@contextmanager
def frozen_rng(seed: int | None = None) -> Iterator[None]:
    """Torch's random state is what it was when the block ends; ``seed`` sets it inside."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        if seed is not None:
            torch.manual_seed(seed)
        yield


def call_alike(model: nn.Module, example: Any) -> Any:
    """``call`` with the same random numbers each time: what passes draw inside is no difference
    between them."""
    with drawing_alike(model):
        return call(model, example)


@contextmanager
def drawing_alike(model: nn.Module) -> Iterator[None]:
    """Random numbers of torch, Python, NumPy and the model's own generators begin at the same
    place inside, and are where they were outside."""
    numpy: Any = getattr(sys.modules.get("numpy"), "random", None)  # unless nobody uses it
    states = random.getstate(), numpy and numpy.get_state()
    own = [(generator, generator.get_state()) for generator in generators_of(model)]
    with frozen_rng(0):
        try:
            random.seed(0)
            if numpy:
                numpy.seed(0)
            for generator, _ in own:
                generator.manual_seed(0)
            yield
        finally:
            random.setstate(states[0])
            if numpy:
                numpy.set_state(states[1])
            for generator, state in own:
                generator.set_state(state)


def generators_of(model: nn.Module) -> list[torch.Generator]:
    """Generators that modules hold as attributes."""
    held = (value for module in model.modules() for value in vars(module).values())
    return [value for value in held if isinstance(value, torch.Generator)]
