"""Batches as people have them: pairs, inputs alone, or mappings with ``labels``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from tenfold.data.reading import guarded
from tenfold.errors import InputError, bad_value
from tenfold.network.inputs import leaves, mapped, to_device
from tenfold.tasks._outputs import integers_of, parts_of

UNCOUNTED = -100


@dataclass(frozen=True)
class Batch:
    """Inputs in the form the model takes, labels if there are any, and the batch as it came.

    ``share`` is the weight of its mean among those of the processes: 1 for equal parts.
    """

    inputs: Any
    labels: Any
    raw: Any
    share: float = 1.0


def read_batch(
    raw: Any, device: torch.device, share: float = 1.0, channels_last: bool = False
) -> Batch:
    """``(inputs, labels)``, ``[inputs]``, inputs alone, or a mapping with or without labels."""
    raw = to_device(raw, device, channels_last)
    if isinstance(raw, Mapping):
        inputs = {key: value for key, value in raw.items() if key not in ("labels", "label")}
        return Batch(inputs, raw.get("labels", raw.get("label")), raw, share)
    if isinstance(raw, (tuple, list)):
        if not raw:
            raise bad_value("A batch must hold inputs", "an empty sequence", "check the loader")
        return Batch(raw[0], raw[1] if len(raw) > 1 else None, raw, share)
    return Batch(raw, None, raw, share)


def rows_of(value: Any) -> int:
    """How many inputs a batch holds: the first mode of its first tensor that has one."""
    return next((len(t) for t in leaves(value) if t.ndim), 1)


def part_of(raw: Any, index: int, count: int) -> tuple[Any, float]:
    """One of ``count`` parts of a batch, and the weight of its mean in the whole batch's. Of a
    batch with fewer rows than parts some get its first row, without weight."""
    rows = rows_of(raw)
    if not rows:
        raise bad_value("A batch must hold inputs", "none", "check the loader")
    start, stop = rows * index // count, rows * (index + 1) // count
    share = (stop - start) * count / rows
    return _cut(raw, rows, *((start, stop) if share else (0, 1))), share


def _cut(value: Any, rows: int, start: int, stop: int) -> Any:
    """Rows of every tensor that has as many as the batch; the rest as it is."""
    return mapped(lambda x: x[start:stop] if x.ndim and len(x) == rows else x, value)


def logits_of(output: Any) -> Tensor:
    """The tensor of an output: itself, its ``logits``, or its first real or complex entry."""
    if isinstance(output, Tensor):
        return output
    for parts in (parts_of(output), integers_of(output)):
        if parts:
            return next(iter(parts.values()))
    raise bad_value(
        "A model's output must be or hold a tensor",
        type(output).__name__,
        "wrap the model so that it returns its logits",
    )


def count_batches(data: Iterable[Any]) -> int:
    """Batches an epoch; a loader without a length is walked once. Raises InputError if none, or
    for what is one batch."""
    check_many(data)
    length = length_of(data)
    count = sum(1 for _ in guarded(data)) if length is None else length
    again = next(guarded(data), None)
    if count == 0 or again is None:
        raise no_batches()
    return count


def check_many(data: Any) -> None:
    """Raises InputError for a single batch, whose rows would be taken for batches, and for a
    dataset of single inputs."""
    check_batched(data)
    if is_one(data):
        kind = "a single one" if isinstance(data, (tuple, list)) else type(data).__name__
        raise bad_value(
            "Data must be batches", kind, "pass a DataLoader, or a list as [(inputs, labels)]"
        )


def check_batched(data: Any) -> None:
    """Raises InputError for a dataset, which gives one input at a time."""
    if isinstance(data, Dataset) and not isinstance(data, IterableDataset):
        raise bad_value(
            "Data must be batches",
            f"a {type(data).__name__}, which gives one input at a time",
            "pass a DataLoader of it",
        )


def is_one(data: Any) -> bool:
    """A tensor, a mapping of tensors, or a pair of inputs and as many class labels; or a word."""
    if isinstance(data, (tuple, list)) and len(data) == 2:
        inputs, labels = data
        both = isinstance(inputs, Tensor) and isinstance(labels, Tensor)
        return both and inputs.is_floating_point() and not labels.is_floating_point()
    return isinstance(data, (Tensor, Mapping, str))


def no_batches() -> InputError:
    """The error for data without batches, or with some for a single time."""
    return bad_value(
        "Data must give batches each time it is iterated",
        "none",
        "pass a DataLoader or a list, not a generator",
    )


def length_of(data: Iterable[Any]) -> int | None:
    """How many batches the data say they have; a DataLoader of a stream has ``__len__``, which
    raises."""
    try:
        return len(data) if isinstance(data, Sized) else None
    except TypeError:
        return None


def as_classes(labels: Tensor, classes: int) -> Tensor:
    """The labels as int64. Raises InputError for one that is no class; -100 does not count."""
    labels = labels.long()  # of fewer bits they could not be told from -100
    wrong = labels[(labels != UNCOUNTED) & ((labels < 0) | (labels >= classes))]
    if wrong.numel():
        raise bad_value(
            f"Labels must be classes from 0 to {classes - 1}, or {UNCOUNTED} where none counts",
            int(wrong[0]),
            "number them anew, or check the data",
        )
    return labels
