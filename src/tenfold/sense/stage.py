"""The stage: inputs, and what every layer sees on them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from tenfold.data.apart import Split
from tenfold.errors import as_bad_value, bad_value
from tenfold.formats.metric import Metric
from tenfold.machine.progress import Progress, silent
from tenfold.network.call import run
from tenfold.sense.inputs import make_inputs, read_calibration
from tenfold.sense.kept import mark_of, moments_once
from tenfold.sense.lessons import make_lessons
from tenfold.sense.moments import estimate_moments
from tenfold.tasks import Purpose, Task
from tenfold.values import Survey

UNSTATED = Purpose()
FITTED = ("synthetic", "calibration")  # on these inputs layers see what they see in use
KINDS = ("auto", "synthetic", "noise", "frobenius")


@dataclass(frozen=True)
class Sensed:
    """Metrics a site, the batches they come from, others that were held apart, and where all
    those come from. A classifier of more classes than there are inputs has no metric but a lesson:
    features of each class at its own input.

    ``origin`` is ``"synthetic"``, ``"tokens"``, ``"calibration"``, ``"noise"`` or ``"frobenius"``;
    the last has neither metrics nor batches.
    """

    metrics: Mapping[str, Metric] = field(default_factory=dict)
    batches: tuple[Any, ...] = ()
    apart: tuple[Any, ...] = ()
    origin: str = "frobenius"
    seconds: float = 0.0
    task: Task | None = None  # what the outputs are for, stated or guessed
    lessons: Mapping[str, Split] = field(default_factory=dict)
    mark: str = ""  # what all this depends on, as a name; "" where nothing may be kept of it

    @property
    def typical(self) -> bool:
        """Whether layers see on the batches what they see in use, so that they can be fitted."""
        return self.origin in FITTED


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
        metric: ``"synthetic"`` makes inputs from the BatchNorm statistics, or token ids;
            ``"noise"`` takes unit noise with the spectrum of pictures; ``"frobenius"`` senses
            nothing; ``"auto"`` is the first where the network has BatchNorm and its example is one
            tensor of real numbers, or where it looks up token ids, else the second for images,
            else the third.
        calibration: batches of real inputs, used in place of made ones.
        images: number of inputs; by default as many as a fixed amount of work pays for.
        purpose: what is known of what the outputs are for; the rest is guessed, also from labels
            of the calibration batches.
        seed: of the made inputs and of the classes drawn for the gradients.

    Raises:
        InputError: an unknown metric, ``"synthetic"`` where nothing can be made, or empty
            calibration data.
    """
    check_metric(metric)
    began = time.perf_counter()
    if calibration is not None:
        inputs = read_calibration(model, survey, example, calibration, images)
    else:
        inputs = make_inputs(model, survey, example, metric, images, seed, progress, purpose)
    shown = example if inputs.origin == "frobenius" else inputs.first
    torch.manual_seed(seed)
    with told_of(inputs.origin):
        output = run(model, shown)
        task = inputs.task or purpose.task(model, output, inputs.labels)
        mark = mark_of(model, survey.sites, inputs, task, output, seed)
        if inputs.origin == "frobenius":
            return Sensed(task=task, mark=mark)
        seen, apart = inputs.split.seen, inputs.split.apart
        lessons = make_lessons(model, survey.sites, seen, task, seed)
        others = [site for site in survey.sites if site.name not in lessons]
        metrics = moments_once(
            mark, lambda: estimate_moments(model, others, seen, task, inputs.ridge), seed
        )
    seconds = time.perf_counter() - began
    return Sensed(metrics, seen, apart, inputs.origin, seconds, task, lessons, mark)


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
