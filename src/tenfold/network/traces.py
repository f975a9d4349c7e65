"""Whether a pass leaves something in the network, or draws random numbers: parts of one that does
cannot be skipped in the next."""

from __future__ import annotations

import pickle
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.network.watch import watching, watching_inputs

OWN = frozenset(vars(nn.Module())) - {"_buffers"}  # what torch itself keeps in every module
HELD = (list, tuple, dict, set)


@dataclass
class Traces:
    """What is found out when the block ends."""

    found: bool = True


@contextmanager
def noting_traces(model: nn.Module) -> Iterator[Traces]:
    """Passes inside are looked at: attributes and buffers that are set or changed, random numbers
    that are drawn, and hooks of somebody's own, whatever they do."""
    traces, states, drawn = Traces(), [generators()], [False]

    def begin(module: nn.Module, inputs: Any) -> None:
        states[0] = generators()

    def end(module: nn.Module, inputs: Any, output: Any) -> None:
        drawn[0] = drawn[0] or states[0] != generators()

    hooked, before = has_hooks(model), held_by(model)
    with watching_inputs({model: begin}), watching({model: end}):
        yield traces
    traces.found = hooked or drawn[0] or marks_of(before) != marks_of(held_by(model))


def has_hooks(model: nn.Module) -> bool:
    """Whether a module inside is watched by somebody."""
    inside = (m for m in model.modules() if m is not model)
    return any(m._forward_hooks or m._forward_pre_hooks for m in inside)


def held_by(model: nn.Module) -> list[tuple[Any, Any]]:
    """What the modules hold beside parameters, each with a mark of it; held, so that no two things
    share an identity."""
    found: list[tuple[Any, Any]] = []
    for module in model.modules():
        for value in (v for key, v in vars(module).items() if key not in OWN):
            items = list(value.values()) if isinstance(value, dict) else value
            for one in (value, *(items if isinstance(items, HELD) else ())):
                found.append((one, mark_of(one)))
    return found


def marks_of(held: list[tuple[Any, Any]]) -> list[Any]:
    """The marks alone."""
    return [mark for _, mark in held]


def mark_of(value: Any) -> tuple[int, int]:
    """Tells a thing from others, and a tensor from itself after work in place."""
    counts = isinstance(value, Tensor) and not value.is_inference()
    return id(value), value._version if counts else 0


def generators() -> list[Any]:
    """Where the random numbers of torch, Python and NumPy are."""
    numpy: Any = getattr(sys.modules.get("numpy"), "random", None)
    states = [torch.get_rng_state()]
    if torch.cuda.is_initialized():
        states += torch.cuda.get_rng_state_all()
    drawn = [] if numpy is None else [pickle.dumps(numpy.get_state())]
    return [*(state.numpy().tobytes() for state in states), random.getstate(), *drawn]
