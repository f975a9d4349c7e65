"""Somebody's layers watched, or given another forward, for the length of a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from torch import nn

Hook: TypeAlias = Callable[..., Any]


@contextmanager
def watching(hooks: Mapping[nn.Module, Hook], *, named: bool = False) -> Iterator[None]:
    """Call ``hook(layer, inputs, output)`` after each layer; what it returns replaces the output.

    With ``named`` the hook is ``hook(layer, inputs, keywords, output)``.
    """
    with _removing(
        layer.register_forward_hook(hook, with_kwargs=named) for layer, hook in hooks.items()
    ):
        yield


@contextmanager
def watching_inputs(hooks: Mapping[nn.Module, Hook]) -> Iterator[None]:
    """Call ``hook(layer, inputs)`` before each layer."""
    with _removing(layer.register_forward_pre_hook(hook) for layer, hook in hooks.items()):
        yield


@contextmanager
def _removing(handles: Any) -> Iterator[None]:
    registered = list(handles)
    try:
        yield
    finally:
        for handle in registered:
            handle.remove()


@contextmanager
def forwards_replaced(forwards: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Each layer, which has no forward of its own beside its class's, computes what it is given
    here; the module tree stays as it is."""
    for layer, forward in forwards.items():
        layer.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in forwards:
            del layer.forward
