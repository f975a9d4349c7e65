"""The task, stated once: what planning and fine-tuning take from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from tenfold.data.augment import Blends
from tenfold.data.batches import read_batch
from tenfold.network.call import frozen_rng
from tenfold.settings import PlanSettings, make_settings
from tenfold.tasks import Purpose, Task, read_task, recall_task
from tenfold.training import TuneSettings

USUAL = TuneSettings().class_mode


def read_planning(
    planning: PlanSettings | Mapping[str, Any] | None, changes: Mapping[str, Any]
) -> tuple[PlanSettings, Task | None]:
    """The settings, in which the task stands by its name, and the task; None where it is to be
    guessed. Raises InputError for an unknown task or setting."""
    start = dict(planning) if isinstance(planning, Mapping) else planning
    usual = start.pop("task", None) if isinstance(start, dict) else getattr(start, "task", None)
    stated = changes.get("task", usual)
    task = read_task(stated) if stated is not None else None
    named = {**changes, "task": task.name if task else None}
    return make_settings(PlanSettings, start, named), task


def purpose_of(
    task: Task | None,
    tuning: TuneSettings | Mapping[str, Any] | None,
    data: Iterable[Any] | str | None,
) -> Purpose:
    """What is known before planning: the task, or the ``class_mode`` of the fine-tuning, which
    states one too, or labels of the data."""
    if task is not None:
        return Purpose(task)
    stated, mode = stated_mode(tuning)
    if stated and mode is not None:
        return Purpose(read_task(f"classes:{mode}"))
    return Purpose(labels=first_labels(data), classes=not stated)


def stated_mode(tuning: TuneSettings | Mapping[str, Any] | None) -> tuple[bool, int | None]:
    """Whether a mode over classes was stated, and which."""
    if isinstance(tuning, TuneSettings):
        return tuning.class_mode != USUAL, tuning.class_mode
    return "class_mode" in (tuning or {}), (tuning or {}).get("class_mode")


def first_labels(data: Iterable[Any] | str | None) -> Any:
    """Labels of the first batch; None without any, or where the batch cannot be had, which the
    fine-tuning tells."""
    if data is None or isinstance(data, (str, Tensor, Blends)):
        return None
    with frozen_rng():
        try:
            return read_batch(next(iter(data)), torch.device("cpu")).labels
        except Exception:  # of somebody's loader
            return None


def training_for(
    training: TuneSettings,
    tuning: TuneSettings | Mapping[str, Any] | None,
    purpose: Purpose,
    name: str,
) -> TuneSettings:
    """The settings with the mode over classes of the task that the plan tells, unless they state
    their own. Whole numbers for labels are classes, whatever the output looks like."""
    task = recall_task(name)
    if task is None or stated_mode(tuning)[0] or name.startswith("function "):
        return training
    labels = purpose.labels
    counts = isinstance(labels, Tensor) and not labels.is_floating_point()
    if purpose.stated is None and task.class_mode is None and counts:
        return training
    return replace(training, class_mode=task.class_mode)
