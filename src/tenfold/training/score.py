"""How good a model is on held-out batches, higher being better."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.batches import (
    UNCOUNTED,
    Batch,
    as_classes,
    count_batches,
    length_of,
    logits_of,
    read_batch,
    rows_of,
)
from tenfold.data.reading import guarded
from tenfold.errors import as_bad_value, bad_value
from tenfold.machine.progress import Progress, silent
from tenfold.network.call import call, evaluating
from tenfold.training.faults import one_number
from tenfold.training.workers import OneProcess

Score = Callable[[nn.Module], float]
Quality = Callable[[Any, Any], "Tensor | float"]  # output, batch as it came; higher is better
FITTING = "Test batches must run through the model", "give batches as it was trained on"


def default_score(
    validation: Iterable[Any] | None,
    objective: Callable[[Batch], Tensor],
    *,
    classifies: bool,
    class_mode: int | None,
    quality: Quality | None,
    workers: OneProcess,
) -> Score | None:
    """The quality where one is given, accuracy for batches with labels of a classifier, else the
    negative loss; None without validation batches."""
    if validation is None:
        return None
    count_batches(validation)
    if quality is not None:
        return lambda model: mean_quality(model, validation, quality, workers=workers)
    sample = read_batch(next(guarded(validation)), torch.device("cpu"))
    if classifies and sample.labels is not None and class_mode is not None:
        return lambda model: accuracy(model, validation, class_mode, workers=workers)

    def negative_loss(model: nn.Module) -> float:
        return -mean_over(
            validation, lambda batch: (float(objective(batch)), rows_of(batch.raw)), model, workers
        )

    return negative_loss


def accuracy(
    model: nn.Module,
    batches: Iterable[Any],
    class_mode: int = 1,
    progress: Progress = silent,
    *,
    workers: OneProcess | None = None,
) -> float:
    """Top-1 in per cent over labelled batches; labels of -100 do not count. The model's mode is
    put back.

    Raises InputError for batches that the model does not take, or whose labels are no classes.
    """

    def hits(batch: Batch) -> tuple[float, int]:
        with as_bad_value(*FITTING):
            logits = logits_of(call(model, batch.inputs))
        right, counted = hits_of(logits, batch.labels, class_mode)
        return right / max(counted, 1), counted

    with evaluating(model), torch.no_grad():
        return 100 * mean_over(batches, hits, model, workers or OneProcess(), progress)


def hits_of(logits: Tensor, labels: Any, class_mode: int) -> tuple[float, int]:
    """How many labels are the likeliest class, and how many count. Raises InputError."""
    if not isinstance(labels, Tensor):
        raise bad_value(
            "Accuracy needs labelled batches",
            "none with labels",
            "give batches as (inputs, labels), or pass a quality of your own",
        )
    likeliest = logits.argmax(class_mode) if -logits.ndim <= class_mode < logits.ndim else logits
    classes = logits.shape[class_mode] if likeliest is not logits else 1
    if likeliest.shape != labels.shape or labels.is_floating_point() or classes == 1:
        raise bad_value(
            f"Labels must be classes along mode {class_mode} of the output, two or more, of shape "
            f"{tuple(likeliest.shape)}",
            f"{labels.dtype} of shape {tuple(labels.shape)}",
            "name the class mode, or pass a quality of your own",
        )
    labels = as_classes(labels, classes)
    counted = labels != UNCOUNTED
    return float((likeliest == labels)[counted].sum()), int(counted.sum())


def mean_quality(
    model: nn.Module,
    batches: Iterable[Any],
    quality: Quality,
    progress: Progress = silent,
    *,
    workers: OneProcess | None = None,
) -> float:
    """Mean over all inputs of ``quality(output, batch)``, itself a mean over its batch."""

    def judge(batch: Batch) -> tuple[float, int]:
        with as_bad_value(*FITTING):
            output = call(model, batch.inputs)
        value = one_number("quality", quality, output, batch.raw)
        return float(value), rows_of(batch.raw)

    with evaluating(model), torch.no_grad():
        return mean_over(batches, judge, model, workers or OneProcess(), progress)


def mean_over(
    batches: Iterable[Any],
    judge: Callable[[Batch], tuple[float, int]],
    model: nn.Module,
    workers: OneProcess,
    progress: Progress = silent,
) -> float:
    """Weighted mean of ``(value, weight)`` over all batches and processes."""
    device = next(model.parameters()).device
    total = weights = 0.0
    length = length_of(batches) or 0
    for done, raw in enumerate(guarded(batches)):
        part, share = workers.part(raw)
        value, weight = judge(read_batch(part, device, share))
        weight = weight if share else 0  # another process has this row
        total, weights = total + value * weight, weights + weight
        progress("evaluating", done + 1, max(length, done + 1))
    total, weights = workers.total(total, weights, device)
    if not weights:
        raise bad_value(
            "Data to judge by must give inputs that count each time they are iterated",
            "none",
            "pass a DataLoader or a list, not a generator, with labels that are not all "
            f"{UNCOUNTED}",
        )
    return total / weights
