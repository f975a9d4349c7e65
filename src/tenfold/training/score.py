"""How good a model is on held-out batches, higher being better."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.batches import (
    UNCOUNTED,
    Batch,
    as_classes,
    count_batches,
    logits_of,
    read_batch,
    rows_of,
)
from tenfold.data.reading import guarded
from tenfold.errors import as_bad_value, bad_value
from tenfold.machine.progress import Progress, silent
from tenfold.network.call import call, evaluating
from tenfold.training.faults import one_number
from tenfold.training.means import mean_over, over_all
from tenfold.training.workers import OneProcess
from tenfold.values import Mean

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
    return top_1(model, batches, class_mode, progress, workers=workers).value


def top_1(
    model: nn.Module,
    batches: Iterable[Any],
    class_mode: int = 1,
    progress: Progress = silent,
    *,
    workers: OneProcess | None = None,
) -> Mean:
    """``accuracy`` with the number of labels that counted, and the standard error of as many
    independent tosses. Raises InputError likewise."""

    def hits(batch: Batch) -> tuple[float, int]:
        with as_bad_value(*FITTING):
            logits = logits_of(call(model, batch.inputs))
        right, counted = hits_of(logits, batch.labels, class_mode)
        return right / max(counted, 1), counted

    with evaluating(model), torch.no_grad():
        mean = over_all(batches, hits, model, workers or OneProcess(), progress)
    tossed = math.sqrt(max(0.0, mean.value * (1 - mean.value)) / mean.samples)
    return Mean(100 * mean.value, mean.samples, 100 * tossed)


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
    return quality_over(model, batches, quality, progress, workers=workers).value


def quality_over(
    model: nn.Module,
    batches: Iterable[Any],
    quality: Quality,
    progress: Progress = silent,
    *,
    workers: OneProcess | None = None,
) -> Mean:
    """``mean_quality`` with the number of inputs, and the standard error that the batches show."""

    def judge(batch: Batch) -> tuple[float, int]:
        with as_bad_value(*FITTING):
            output = call(model, batch.inputs)
        value = one_number("quality", quality, output, batch.raw)
        return float(value), rows_of(batch.raw)

    with evaluating(model), torch.no_grad():
        return over_all(batches, judge, model, workers or OneProcess(), progress)
