"""The state of a training script, kept every epoch, so that an interrupted run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

WORK = "training.work"  # folder of checkpoints in the results


def keep(parts: dict[str, Any], path: Path, epoch: int) -> None:
    """Write the state of model, optimiser and schedule, whole or not at all."""
    path.parent.mkdir(exist_ok=True, parents=True)
    state = {name: part.state_dict() for name, part in parts.items()} | {"epoch": epoch}
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def resume(parts: dict[str, Any], path: Path) -> int:
    """Take up the state of an earlier run, if there is one; returns how many epochs it has."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["epoch"])
