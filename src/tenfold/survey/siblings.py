"""Layers of which there are several, as experts: which one runs depends on the data."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import nn


def siblings_of(name: str, names: Collection[str]) -> list[str]:
    """Names that differ from this one in a single number."""
    parts = name.split(".")
    return [other for other in names if differ_in_a_number(parts, other.split("."))]


def differ_in_a_number(mine: list[str], other: list[str]) -> bool:
    """Whether two names are alike but for one number."""
    if len(mine) != len(other):
        return False
    unlike = [(a, b) for a, b in zip(mine, other) if a != b]
    return len(unlike) == 1 and all(part.isdigit() for part in unlike[0])


def run_with_others(name: str, layers: Mapping[str, nn.Module], ran: Collection[str]) -> bool:
    """Whether a sibling of the same class and shapes runs: then this one does on other data."""
    told = told_of(layers[name])
    return any(told_of(layers[other]) == told for other in siblings_of(name, ran))


def told_of(layer: nn.Module) -> tuple[type, list[tuple[str, tuple[int, ...]]]]:
    """Class and shapes."""
    return type(layer), [(name, tuple(p.shape)) for name, p in layer.named_parameters()]
