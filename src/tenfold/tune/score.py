"""How good a model is on held-out batches, higher being better."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.forward import call, evaluating
from tenfold.progress import Progress, silent
from tenfold.tune.batches import count_batches, logits_of, read_batch

Score = Callable[[nn.Module], float]


def default_score(
    validation: Iterable[Any] | None, objective: Callable[[Any], Tensor], classifies: bool
) -> Score | None:
    """Accuracy for batches with labels of a classifier, else the negative loss; None without
    validation batches."""
    if validation is None:
        return None
    count_batches(validation)
    sample = read_batch(next(iter(validation)), torch.device("cpu"))
    if classifies and sample.labels is not None:
        return lambda model: accuracy(model, validation)

    def negative_loss(model: nn.Module) -> float:
        device = next(model.parameters()).device
        losses = [float(objective(read_batch(raw, device))) for raw in validation]
        return -sum(losses) / len(losses)

    return negative_loss


def accuracy(
    model: nn.Module, batches: Iterable[Any], class_mode: int = 1, progress: Progress = silent
) -> float:
    """Top-1 in per cent over labelled batches; the model's mode is put back."""
    device = next(model.parameters()).device
    hits = seen = 0
    total = len(batches) if isinstance(batches, Sized) else 0
    with evaluating(model), torch.inference_mode():
        for done, raw in enumerate(batches):
            batch = read_batch(raw, device)
            found = logits_of(call(model, batch.inputs)).argmax(class_mode)
            hits += int((found == batch.labels).sum())
            seen += batch.labels.numel()
            progress("evaluating", done + 1, max(total, done + 1))
    return 100 * hits / max(seen, 1)
