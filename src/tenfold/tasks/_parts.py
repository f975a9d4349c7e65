"""The tensors of an output that matter, by name, whatever the output is."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from tenfold.network.names import walk

STATE = re.compile(r"past_|cache|(^|\.)loss$", re.IGNORECASE)  # no answer to the input
INNER = re.compile(r"hidden_states|attentions")
BEFORE_LOGITS = re.compile(r"hidden_state|model_output")


def parts_of(output: Any) -> dict[str, Tensor]:
    """The real and complex tensors that matter, those named logits first.

    Caches and what lies inside a network are left out where there is anything else.
    """
    parts = {name: x for name, x in walk(output) if x.is_floating_point() or x.is_complex()}
    for pattern in (STATE, INNER):
        parts = without(parts, pattern)
    if any("logits" in name for name in parts):
        parts = without(parts, BEFORE_LOGITS)
    return dict(sorted(parts.items(), key=lambda item: not item[0].endswith("logits")))


def integers_of(output: Any) -> dict[str, Tensor]:
    """The tensors of whole numbers and truth values."""
    return {n: x for n, x in walk(output) if not x.is_floating_point() and not x.is_complex()}


def without(parts: dict[str, Tensor], pattern: re.Pattern[str]) -> dict[str, Tensor]:
    """The parts whose name does not match; all where every one does."""
    return {name: x for name, x in parts.items() if not pattern.search(name)} or parts
