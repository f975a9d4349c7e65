"""An output as tasks read it, whatever it is: its tensors that matter, by name, and whether rows of
numbers look like scores of classes."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from tenfold.network.names import walk

STATE = re.compile(r"past_|cache|(^|\.)loss$", re.IGNORECASE)  # no answer to the input
INNER = re.compile(r"hidden_states|attentions")
BEFORE_LOGITS = re.compile(r"hidden_state|model_output")
ENOUGH = 8  # rows from which statistics say something
SPREAD = 1e-3, 1e3  # of scores within a row: outside, a softmax is flat or decided
COMMON = 0.5  # most of the variance that all classes may share, in units of what lies apart


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


def look_like_scores(x: Tensor) -> bool:
    """Rows ``(n, classes)`` of which a softmax makes sense.

    Training with a softmax leaves alone what is common to all classes, so in a classifier that
    varies little from input to input; where it varies much a softmax would hide it. Numbers that
    are never negative and no probabilities, or of unit length, are something else.
    """
    x = x.detach().double()
    if not x.numel() or not bool(torch.isfinite(x).all()):
        return False
    if are_probabilities(x):
        return True
    lengths = x.norm(dim=1)
    if len(x) >= ENOUGH and (
        bool((x >= 0).all()) or torch.allclose(lengths, torch.ones_like(lengths), atol=1e-3)
    ):
        return False
    spread = float((x - x.mean(1, keepdim=True)).square().mean().sqrt())
    if not SPREAD[0] <= spread <= SPREAD[1]:
        return False
    return len(x) < ENOUGH or common_share(x) <= COMMON * (1 - 1 / x.shape[1])


def common_share(x: Tensor) -> float:
    """How much of the variance over inputs all columns share."""
    centred = x - x.mean(0)
    total = centred.square().sum().clamp_min(1e-300)
    return float(x.shape[1] * centred.mean(1).square().sum() / total)


def are_probabilities(rows: Tensor) -> bool:
    """Whether rows are none below zero and sum to one."""
    sums = rows.double().sum(1)
    return bool((rows >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-3)
