"""Which inputs a network is sensed on: real ones, ones made for it, noise, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.apart import Split, split_apart
from tenfold.data.augment import is_image, is_volume
from tenfold.data.cache import cached, cached_batches
from tenfold.data.calibrate import BATCH, take_batches
from tenfold.data.grow import phases, worth
from tenfold.data.synthesise import STEPS, can_synthesise, synthesise
from tenfold.data.tokens import find_vocabulary, made_tokens
from tenfold.errors import bad_value
from tenfold.formats.metric import RIDGE
from tenfold.machine.progress import Progress
from tenfold.network.batching import batch_taken
from tenfold.sense.noise import make_noise
from tenfold.sense.work import READING, WORK, affordable
from tenfold.tasks import Purpose, Task
from tenfold.values import Survey

IMAGES = 64
PASSES = 3 * 1.5  # forward and backward, of an input that is seen and of half a one held apart
TOKENS = 512  # sequences, of which a few tens of tokens each are many positions
MOST = 2048  # of real inputs that are looked at
NOTHING = Split((), ())
REAL_RIDGE = 0.03  # mean eigenvalues: real inputs are trusted further than made ones


@dataclass(frozen=True)
class Inputs:
    """Inputs that make moments and others that measure; where they come from; the ridge that this
    calls for; labels of the first batch, if it had some; the task, where they were made for one."""

    split: Split = NOTHING
    origin: str = "frobenius"
    ridge: float = RIDGE
    labels: Any = None
    task: Task | None = None

    @property
    def first(self) -> Any:
        """A batch to look at the network with."""
        return self.split.seen[0]


def read_calibration(
    model: nn.Module, survey: Survey, example: Any, calibration: Iterable[Any], most: int | None
) -> Inputs:
    """Real inputs, as many as can be looked at in ``READING``."""
    size = batch_taken(model, example, BATCH) if isinstance(calibration, Tensor) else BATCH
    count = most or affordable(READING, 3, survey, example, MOST)
    taken = take_batches(calibration, count, model, size)
    split = split_apart(model, [batch.inputs for batch in taken])
    return Inputs(split, "calibration", REAL_RIDGE, taken[0].labels)


def make_inputs(
    model: nn.Module,
    survey: Survey,
    example: Any,
    metric: str,
    most: int | None,
    seed: int,
    progress: Progress,
    purpose: Purpose,
) -> Inputs:
    """Made inputs of the kind that suits the network, or noise, or none.

    Raises InputError where ``metric`` asks for a kind that cannot be had.
    """
    if metric == "frobenius":
        return Inputs()
    wanted: dict[str, Callable[[], Inputs]] = {
        "synthetic": lambda: from_statistics(model, survey, example, most, seed, progress),
        "tokens": lambda: from_vocabulary(model, survey, example, most, seed),
        "noise": lambda: of_noise(
            make_noise(model, survey, example, most, seed, progress, purpose)
        ),
    }
    if metric == "noise" or (metric == "auto" and kind_for(model, example) == "noise"):
        return wanted["noise"]()
    kind = kind_for(model, example)
    if kind in ("synthetic", "tokens"):
        return wanted[kind]()
    if metric == "synthetic":
        raise bad_value(
            "Synthetic inputs need BatchNorm statistics and one input tensor that gradients reach, "
            "or token ids that a table looks up",
            "none",
            "use metric='auto', or pass calibration=...",
        )
    return Inputs()


def of_noise(made: tuple[Split, Task]) -> Inputs:
    """Noise, with what its network says to it."""
    split, task = made
    return Inputs(split, "noise", task=task)


def kind_for(model: nn.Module, example: Any) -> str:
    """What can be made: from BatchNorm, from a vocabulary, noise for images, or nothing."""
    if can_synthesise(model, example):
        return "synthetic"
    if find_vocabulary(model, example) is not None:
        return "tokens"
    return "noise" if is_image(example) or is_volume(example) else "frobenius"


def from_statistics(
    model: nn.Module,
    survey: Survey,
    example: Tensor,
    most: int | None,
    seed: int,
    progress: Progress,
) -> Inputs:
    """Two sets that meet the BatchNorm statistics, each by itself: parts of one set do not."""
    steps = worth(phases(model, example, STEPS))
    count = most or affordable(WORK, PASSES * steps, survey, example, IMAGES)
    apart = max(1, count // 2)

    def make() -> dict[str, Tensor]:
        torch.manual_seed(seed)
        sizes = {"seen": count, "apart": apart}
        return {
            name: synthesise(model, example, size, steps=STEPS, progress=progress)
            for name, size in sizes.items()
        }

    made = cached(("sensed", count, apart, steps, seed, tuple(example.shape[1:])), model, make)
    return Inputs(Split(made["seen"].split(BATCH), made["apart"].split(BATCH)), "synthetic")


def from_vocabulary(
    model: nn.Module, survey: Survey, example: Any, most: int | None, seed: int
) -> Inputs:
    """Token ids drawn at random, improved where the network predicts some."""
    count = most or affordable(READING, 6, survey, example, TOKENS)
    torch.manual_seed(seed)
    made = cached_batches(
        ("tokens", count, seed), model, example, lambda: made_tokens(model, example, count)
    )
    return Inputs(split_apart(model, made), "tokens")
