"""Inputs made few and in few steps, and few steps of training end to end: what tests look at does
not hang on how good they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from unittest import mock

from tenfold.pipeline import realise

FEW = {
    "sense.inputs.IMAGES": 16,
    "sense.inputs.STEPS": 10,
    "pipeline.realise.MORE": 32,
    "pipeline.realise.STEPS": 10,
}
REFINING = 40


@contextmanager
def few_made() -> Iterator[None]:
    """Fewer of them, in this process."""
    with ExitStack() as stack:
        for name, value in FEW.items():
            stack.enter_context(mock.patch(f"tenfold.{name}", value))
        brief = partial(realise.refine, steps=REFINING)
        stack.enter_context(mock.patch.object(realise, "refine", brief))
        yield
