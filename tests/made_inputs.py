"""Inputs made few and in few steps: what tests look at does not hang on how good they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

FEW = {
    "sense.inputs.IMAGES": 24,
    "sense.inputs.STEPS": 20,
    "pipeline.realise.MORE": 48,
    "pipeline.realise.STEPS": 15,
}


@contextmanager
def few_made() -> Iterator[None]:
    """Fewer made inputs, in this process."""
    with ExitStack() as stack:
        for name, value in FEW.items():
            stack.enter_context(mock.patch(f"tenfold.{name}", value))
        yield
