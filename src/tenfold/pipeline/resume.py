"""What stands before the fine-tuning, kept beside its checkpoints: a resumed run goes on from the
same plan and factors, and plans nothing twice. Nothing is measured alike two times."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import nn

from tenfold.build.rebuild import build_structure
from tenfold.errors import bad_value
from tenfold.machine.processes import on_first_process
from tenfold.network.identity import digest, tensors_of
from tenfold.store.plan_file import plan_from_json, plan_to_json
from tenfold.training.checkpoint import BEST, LOCK, check_same_run, read_state, write_state
from tenfold.training.checkpoint import FILE as RESUME
from tenfold.training.shards import load_state
from tenfold.values import Plan

FILE = "planned.safetensors"
Planned = tuple[Plan, nn.Module]


def planned_once(
    folder: Path | None, asked: Mapping[str, Any], model: nn.Module, make: Callable[[], Planned]
) -> Planned:
    """What ``make`` returns, or what it returned when the folder was first used.

    Raises InputError when the folder is of another run, by what was ``asked`` or by the model;
    TrainingError when it cannot be written.
    """
    if folder is None:
        return make()
    path = folder / FILE
    facts = json.loads(json.dumps({**asked, "original": digest((), model)[:8]}, default=str))
    stored = on_first_process(lambda: read_state(path))
    if stored is not None:
        return taken_up(stored, facts, model, folder)
    plan, built = make()
    notes = {"asked": facts, "plan": plan_to_json(plan)}
    on_first_process(lambda: write_state(path, tensors_of(built), notes))
    return plan, built


def taken_up(
    stored: tuple[Mapping[str, Any], Mapping[str, Any]],
    facts: Mapping[str, Any],
    model: nn.Module,
    folder: Path,
) -> Planned:
    """The plan and the factors of a file that was read."""
    tensors, notes = stored
    try:
        check_same_run(notes["asked"], facts, folder)
        plan = plan_from_json(notes["plan"])
        built = build_structure(model, plan)
        load_state(built, tensors)
    except (KeyError, RuntimeError) as error:
        raise bad_value(
            "A checkpoint must hold what was planned",
            f"{FILE} of another kind ({error!r:.80})",
            f"delete {folder} to start over",
        ) from error
    return plan, built


def forget(folder: Path) -> None:
    """Take away what a finished run kept, and the folder unless it holds something else."""
    for name in (FILE, RESUME, BEST, LOCK):
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
