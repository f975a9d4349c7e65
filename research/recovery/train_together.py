"""Networks prepared, timed and trained side by side, as tenfold.tune trains one."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from benchmarks.networks.augmented import Augmented
from research.recovery.branch import Branch
from research.recovery.composed import compose_all
from research.recovery.dense import Dense, fits
from research.recovery.feed import Feed
from research.recovery.side_by_side import Together
from tenfold.formats.chains import balance_all
from tenfold.network.call import frozen_rng
from tenfold.training.loop import laid_out

FIRST, TIMED = 5, 40  # steps that are let pass, and steps whose time is taken


def train_together(
    branches: Sequence[Branch],
    teachers: Sequence[nn.Module],
    images: Sequence[Augmented],
    seeds: Sequence[int],
    device: torch.device,
    *,
    epochs: int = 0,
    seconds: float = 0.0,
    like: nn.Module | None = None,
) -> dict[str, Any]:
    """Train all networks in place, each on the images of its feed; without epochs for as many as
    fit into the seconds. Where all come of one network, ``like``, a GPU may compile what they have
    in common."""
    with frozen_rng():
        prepare(branches, teachers, device)
        together, step = fastest(branches, teachers, images, seeds, device, like)
        length = len(images[0])
        epochs = epochs or max(1, int(seconds / seconds_a_step(together, step) / length))
        together.feeds = [Feed(one, seed) for one, seed in zip(images, seeds)]
        began = time.monotonic()
        for epoch in range(epochs):
            run_epoch(together, step, epoch, epochs, length)
            print(f"epoch {epoch + 1}/{epochs}, {time.monotonic() - began:.1f} s", flush=True)
    for branch in branches:
        branch.student.eval()
    return {"epochs": epochs, "seconds": round(time.monotonic() - began, 1)}


def prepare(
    branches: Sequence[Branch], teachers: Sequence[nn.Module], device: torch.device
) -> None:
    """Balance, lay out and let learn the networks, as tenfold.tune begins. BatchNorm follows the
    batches, so its statistics need not be estimated anew."""
    for branch in branches:
        balance_all(branch.student)
        compose_all(branch.student)
        laid_out(branch.student, device, branch.settings.channels_last)
        branch.student.requires_grad_(True).train()
    for teacher in teachers:
        laid_out(teacher, device, branches[0].settings.channels_last)
        teacher.eval().requires_grad_(False)


def fastest(
    branches: Sequence[Branch],
    teachers: Sequence[nn.Module],
    images: Sequence[Augmented],
    seeds: Sequence[int],
    device: torch.device,
    like: nn.Module | None,
) -> tuple[Together, Callable[[], None]]:
    """The step as it is or compiled, whichever takes less time; one alone is not timed."""
    ways: list[Dense | None] = [None]
    if device.type == "cuda" and like is not None and all(fits(b.student, like) for b in branches):
        copied = copy.deepcopy(like)
        ways.append(Dense(laid_out(copied, device, branches[0].settings.channels_last)))
    found = []
    for dense in ways:
        feeds = [Feed(one, seed) for one, seed in zip(images, seeds)]
        together = Together(branches, teachers, feeds, device, dense)
        together.fill()
        found.append((together, together.record()))
    return found[0] if len(found) == 1 else min(found, key=lambda way: seconds_a_step(*way))


def seconds_a_step(together: Together, step: Callable[[], None]) -> float:
    """Of all networks, batches included; afterwards all is as before."""
    kept = together.state()
    for count in range(FIRST + TIMED):
        if count == FIRST:
            together.finish()
            began = time.perf_counter()
        together.fill()
        step()
    together.finish()
    seconds = (time.perf_counter() - began) / TIMED
    together.put_back(kept)
    print(f"{1000 * seconds:.2f} ms a step of all", flush=True)
    return seconds


def time_layouts(
    branches_of: Callable[[str, bool], Sequence[Branch]],
    teachers_of: Callable[[], Sequence[nn.Module]],
    images: Sequence[Augmented],
    device: torch.device,
    layouts: Sequence[tuple[str, bool]],
) -> tuple[dict[str, float], tuple[str, bool]]:
    """Milliseconds a step of all, by precision and whether the channels are last; and the layout
    of least."""
    found: dict[str, float] = {}
    for precision, last in layouts:
        branches, teachers, seeds = branches_of(precision, last), teachers_of(), [0] * len(images)
        prepare(branches, teachers, device)
        seconds = seconds_a_step(*fastest(branches, teachers, images, seeds, device, None))
        found[f"{precision}, channels {'last' if last else 'first'}"] = round(1000 * seconds, 2)
    return found, min(zip(found.values(), layouts))[1]


def run_epoch(
    together: Together, step: Callable[[], None], epoch: int, epochs: int, length: int
) -> None:
    """Steps of a rate that rises and falls; then losses and gradients are written down."""
    schedule = together.branches[0].settings
    for at in range(epoch * length, (epoch + 1) * length):
        together.fill()
        together.factor.fill_(schedule.rate_at(at, epochs * length, 1.0))
        step()
    losses, norms = (together.losses / length).tolist(), together.norms.tolist()
    together.losses.zero_()
    together.norms.zero_()
    for branch, loss, norm in zip(together.branches, losses, norms):
        if not math.isfinite(loss):
            raise SystemExit(f"The loss must stay finite, but found {loss} in epoch {epoch + 1}.")
        told = {"epoch": epoch + 1, "loss": loss, "score": -loss, "gradient": norm}
        branch.history.append(told)
