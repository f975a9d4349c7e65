"""How a module may compute its experts from stacked weights: every form that the shapes allow."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn

Rule = Callable[[nn.Module, Tensor], Tensor]  # of the module without weights, on a hidden layer


@dataclass(frozen=True)
class Form:
    """Two maps an expert: ``outer`` after ``rule`` after ``inner``, names of parameters ``(experts,
    out, in)``, or ``(experts, in, out)`` where they are ``transposed``."""

    inner: str
    outer: str
    transposed: bool
    rule: Rule
    routed: bool  # called with the experts of each token and their weights, or sorted by expert


def stacks_of(module: nn.Module) -> list[str]:
    """Names of the module's own parameters of three axes, where all have as many experts, two at
    the least."""
    stacks = {n: p.shape for n, p in module.named_parameters(recurse=False) if p.ndim == 3}
    counts = {shape[0] for shape in stacks.values()}
    return list(stacks) if len(counts) == 1 and counts != {1} else []


def arguments_of(module: nn.Module) -> list[str]:
    """Names of the arguments of its forward."""
    return list(inspect.signature(module.forward).parameters)


def forms_of(module: nn.Module) -> Iterator[Form]:
    """All that the shapes and the number of arguments allow, the likely ones first."""
    count = len(arguments_of(module))
    if count not in (1, 3):
        return
    for inner, outer in permutations(stacks_of(module), 2):
        for transposed in (False, True):
            (hidden, width), (back, reads) = (
                sizes(getattr(module, name), transposed) for name in (inner, outer)
            )
            if back == width and hidden in (reads, 2 * reads):
                for rule in rules_of(module, gated=hidden == 2 * reads):
                    yield Form(inner, outer, transposed, rule, routed=count == 3)


def sizes(stack: Tensor, transposed: bool) -> tuple[int, int]:
    """Outputs and inputs of an expert."""
    _, first, second = stack.shape
    return (second, first) if transposed else (first, second)


def rules_of(module: nn.Module, gated: bool) -> Iterator[Rule]:
    """What may stand between the maps: a gate of its own, or an activation."""
    if gated and hasattr(module, "_apply_gate"):
        yield lambda bare, h: bare._apply_gate(h)  # type: ignore[operator]
    for name in activations_of(module):
        yield from gates(name) if gated else (plain(name),)


def activations_of(module: nn.Module) -> list[str]:
    """Names of what the module holds and could be an activation."""
    own = [name for name, value in vars(module).items() if callable(value)]
    return [name for name in (*module._modules, *own) if not name.startswith("_")]


def plain(name: str) -> Rule:
    """The activation alone."""
    return lambda bare, h: getattr(bare, name)(h)


def gates(name: str) -> Iterator[Rule]:
    """One half through the activation, times the other; halves may lie one after the other or
    alternate."""

    def halves(h: Tensor, alternate: bool) -> tuple[Tensor, ...]:
        return (h[..., ::2], h[..., 1::2]) if alternate else h.chunk(2, -1)

    for alternate in (False, True):
        for gate in (0, 1):

            def rule(bare: Any, h: Tensor, alternate: bool = alternate, gate: int = gate) -> Tensor:
                parts = halves(h, alternate)
                product: Tensor = getattr(bare, name)(parts[gate]) * parts[1 - gate]
                return product

            yield rule


def trials(module: nn.Module, form: Form) -> Iterator[tuple[Tensor, ...]]:
    """Random inputs and routings, always the same: experts without a token and tokens of several
    experts are among them."""
    stack = getattr(module, form.inner)
    experts, (_, width) = len(stack), sizes(stack, form.transposed)
    generator = torch.Generator().manual_seed(0)
    for trial, scale in enumerate((1.0, 4.0, 0.3)):
        tokens = (trial + 2) * (1 if form.routed else experts)
        x = scale * torch.randn(tokens, width, generator=generator)
        if not form.routed:
            yield (x.to(stack),)
            continue
        scores = torch.rand(tokens, experts, generator=generator)
        weights, index = scores.topk(min(experts, 1 + trial), -1)
        yield x.to(stack), index.to(stack.device), weights.to(stack)
