"""Batches as people have them: pairs, inputs alone, or mappings with ``labels``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tenfold.errors import bad_value


@dataclass(frozen=True)
class Batch:
    """Inputs in the form the model takes, labels if there are any, and the batch as it came."""

    inputs: Any
    labels: Any
    raw: Any


def read_batch(raw: Any, device: torch.device) -> Batch:
    """``(inputs, labels)``, ``[inputs]``, inputs alone, or a mapping with or without labels."""
    raw = to_device(raw, device)
    if isinstance(raw, Mapping):
        inputs = {key: value for key, value in raw.items() if key not in ("labels", "label")}
        return Batch(inputs, raw.get("labels", raw.get("label")), raw)
    if isinstance(raw, (tuple, list)):
        if not raw:
            raise bad_value("A batch must hold inputs", "an empty sequence", "check the loader")
        return Batch(raw[0], raw[1] if len(raw) > 1 else None, raw)
    return Batch(raw, None, raw)


def to_device(value: Any, device: torch.device) -> Any:
    """Tensors in nested sequences and mappings, moved."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        return {key: to_device(item, device) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_device(item, device) for item in value]
    return value


def logits_of(output: Any) -> Tensor:
    """The tensor of an output: itself, its ``logits``, or its first entry."""
    if isinstance(output, Tensor):
        return output
    if hasattr(output, "logits"):
        return logits_of(output.logits)
    if isinstance(output, Mapping):
        return logits_of(output.get("logits", next(iter(output.values()))))
    if isinstance(output, (tuple, list)) and output:
        return logits_of(output[0])
    raise bad_value(
        "A model's output must be or hold a tensor", type(output).__name__,
        "wrap the model so that it returns its logits",
    )  # fmt: skip


def count_batches(data: Iterable[Any]) -> int:
    """Batches an epoch; a loader without a length is walked once. Raises InputError if none."""
    count = len(data) if isinstance(data, Sized) else sum(1 for _ in data)
    again = next(iter(data), None)
    if count == 0 or again is None:
        raise bad_value(
            "Data must give batches each time it is iterated", "none",
            "pass a DataLoader or a list, not a generator",
        )  # fmt: skip
    return count
