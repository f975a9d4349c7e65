"""The stage: which inputs, which moments, how long it took, and the cache on disk."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.augment import is_image
from tenfold.data.cache import cached
from tenfold.data.synthesise import STEPS, can_synthesise, smooth_noise, synthesise
from tenfold.data.take import BATCH, take_batches
from tenfold.errors import as_bad_value, bad_value
from tenfold.formats.metric import Metric
from tenfold.machine.progress import Progress, silent
from tenfold.network.batching import batch_taken
from tenfold.network.call import run
from tenfold.sense.moments import estimate_moments
from tenfold.tasks import Purpose, Task
from tenfold.values import Survey

IMAGES, LEAST = 64, 8
WORK = 4e12  # multiply-accumulates that making inputs may take, a minute or so of two cores
UNSTATED = Purpose()
KINDS = ("auto", "synthetic", "noise", "frobenius")


@dataclass(frozen=True)
class Sensed:
    """Metrics a site, the batches they come from, and where those come from.

    ``origin`` is ``"synthetic"``, ``"calibration"``, ``"noise"`` or ``"frobenius"``; the last two
    have no metrics, the last no batches either.
    """

    metrics: Mapping[str, Metric] = field(default_factory=dict)
    batches: tuple[Any, ...] = ()
    origin: str = "frobenius"
    seconds: float = 0.0
    task: Task | None = None  # what the outputs are for, stated or guessed

    @property
    def typical(self) -> bool:
        """Whether layers see on the batches what they see in use, so that they can be fitted."""
        return self.origin in ("synthetic", "calibration")


def sense(
    model: nn.Module,
    survey: Survey,
    example: Any,
    *,
    metric: str = "auto",
    calibration: Iterable[Any] | None = None,
    images: int | None = None,
    purpose: Purpose = UNSTATED,
    seed: int = 0,
    progress: Progress = silent,
) -> Sensed:
    """Second moments of inputs and output gradients at every site.

    Args:
        metric: ``"synthetic"`` makes inputs from the BatchNorm statistics; ``"noise"`` takes unit
            noise with the spectrum of pictures to measure damages on, and weights as they are;
            ``"frobenius"`` senses nothing; ``"auto"`` is the first where the network has
            BatchNorm and its example is one tensor of real numbers, else the second for images,
            else the third.
        calibration: batches of real inputs, used in place of synthetic ones.
        images: number of inputs; by default 64, and fewer where a forward pass costs so much
            that making them would take long.
        purpose: what is known of what the outputs are for; the rest is guessed, also from labels
            of the calibration batches.
        seed: of the synthetic inputs and of the classes drawn for the gradients.

    Raises:
        InputError: an unknown metric, ``"synthetic"`` without statistics to match, or empty
            calibration data.
    """
    check_metric(metric)
    began, labels = time.perf_counter(), None
    images = images or affordable(survey, example)
    wanted = calibration is None and metric in ("auto", "synthetic")
    possible = wanted and can_synthesise(model, example)
    if calibration is not None:
        size = batch_taken(model, example, BATCH) if isinstance(calibration, Tensor) else BATCH
        taken = take_batches(calibration, images, model, size)
        batches, origin = tuple(batch.inputs for batch in taken), "calibration"
        labels = taken[0].labels
    elif metric == "synthetic" and not possible:
        raise bad_value(
            "Synthetic inputs need BatchNorm statistics and one input tensor that gradients reach",
            "none",
            "use metric='auto', or pass calibration=...",
        )
    elif metric == "noise" or (metric == "auto" and not possible and is_image(example)):
        noise = noise_like(model, example, images, seed)
        batches = noise.split(batch_taken(model, example, len(noise)))
        task = purpose.task(model, run(model, batches[0]))
        return Sensed({}, batches, "noise", task=task)
    elif metric == "frobenius" or not possible:
        return Sensed(task=purpose.task(model, run(model, example)))
    else:
        origin = "synthetic"
        made = cached(
            ("synthetic", images, seed, tuple(example.shape[1:])),
            model,
            lambda: {"inputs": synthesise(model, example, images, progress=progress)},
        )
        batches = tuple(made["inputs"].split(BATCH))
    torch.manual_seed(seed)
    with told_of(origin):
        task = purpose.task(model, run(model, batches[0]), labels)
        metrics = estimate_moments(model, survey.sites, batches, task)
    return Sensed(metrics, batches, origin, time.perf_counter() - began, task)


def check_metric(metric: str) -> None:
    """Raises InputError for an unknown name."""
    if metric not in KINDS:
        raise bad_value("metric must be a known name", repr(metric), f"use {', '.join(KINDS)}")


def told_of(origin: str) -> AbstractContextManager[None]:
    """Calibration batches that do not fit the model are bad input; inputs that were made fit."""
    if origin != "calibration":
        return nullcontext()
    return as_bad_value(
        "Calibration batches must run through the model",
        "give batches as (inputs, labels), inputs alone, or mappings of its keywords",
    )


def affordable(survey: Survey, example: Any) -> int:
    """As many inputs as ``WORK`` pays for, a forward and a backward pass a step, within bounds."""
    batch = len(example) if isinstance(example, Tensor) and example.ndim else 1
    each = 3 * STEPS * survey.totals["macs"] / max(1, batch)
    return int(min(IMAGES, max(LEAST, WORK / max(each, 1.0))))


def noise_like(model: nn.Module, example: Any, count: int, seed: int) -> Tensor:
    """Smooth unit noise of the example's shape: on a network without normalisation, damages
    measured on it beat plain Frobenius by far (``benchmarks/claims/no_batchnorm.py``)."""
    if not isinstance(example, Tensor) or not example.is_floating_point():
        raise bad_value(
            "metric='noise' needs one input tensor of real numbers",
            type(example).__name__,
            "use metric='frobenius', or pass calibration=...",
        )
    torch.manual_seed(seed)
    noise = smooth_noise((count, *example.shape[1:]))
    return noise.to(next(model.parameters()).device, example.dtype)
