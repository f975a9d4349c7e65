"""What a model has to be before it is looked at any closer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from tenfold.errors import InputError, bad_value
from tenfold.layers import kind_of
from tenfold.values import Refusal


def check_finite(model: nn.Module) -> None:
    """Refuse weights and running statistics with NaN or infinity by name; other buffers may well
    hold them, as masks do."""
    running = ("running_mean", "running_var")
    statistics = (named for named in model.named_buffers() if named[0].endswith(running))
    for name, value in (*model.named_parameters(), *statistics):
        if isinstance(value, UninitializedParameter | UninitializedBuffer):
            raise bad_value(
                "Weights must have been made",
                f"{name} of a lazy module without any",
                "run the model once first",
            )
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise bad_value(
                "Weights must be finite",
                f"NaN or infinity in {name}",
                "load the last good checkpoint",
            )


def check_patterns(patterns: Sequence[str], names: Iterable[str]) -> None:
    """A pattern that matches no layer is a slip of the pen."""
    names = list(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise bad_value(
                "A pattern must match a layer",
                repr(pattern),
                f"choose among {', '.join(names[:8]) or 'no layers at all'}",
            )


def nothing_to_compress(model: nn.Module, refusals: Sequence[Refusal]) -> InputError:
    """The error for a model without a single site."""
    if kind_of(model) is not None:
        return bad_value(
            "A model needs at least one layer inside",
            f"a {type(model).__name__} alone",
            "wrap it, as nn.Sequential(layer)",
        )
    return bad_value(
        "A model needs at least one layer that can be factored",
        say_reasons(refusals) or "no parameters",
        "check include and exclude, or leave this model as it is",
    )


def say_reasons(refusals: Sequence[Refusal], count: int = 4) -> str:
    """The largest parts that have to stay, each with its size and why."""
    largest = sorted(refusals, key=lambda refusal: -refusal.params)[:count]
    return "; ".join(f"{r.name} ({r.params:,} parameters): {r.reason}" for r in largest)
