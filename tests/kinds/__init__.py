"""Kinds of layer that tenfold does not have, one file each, registered by tests alone.

Each stands for others that may come: what they need of the library, the contract has.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tenfold.layers import LAYERS
from tests.kinds.standardised import Standardised
from tests.kinds.swapped import Swapped

TOYS = (Swapped(), Standardised())


@contextmanager
def toys_registered() -> Iterator[None]:
    """All of them inside the block, none outside."""
    with ExitStack() as stack:
        for kind in TOYS:
            stack.enter_context(LAYERS.adding(kind.name, kind))
        yield
