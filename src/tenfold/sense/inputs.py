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
from tenfold.data.synthesise import STEPS, can_synthesise, smooth_noise, synthesise
from tenfold.data.tokens import find_vocabulary, made_tokens
from tenfold.errors import bad_value
from tenfold.formats.metric import RIDGE
from tenfold.machine.progress import Progress
from tenfold.network.batching import batch_taken
from tenfold.values import Survey

IMAGES, LEAST = 64, 8
VOLUMES = 2  # at least: one shows a layer as much as many images
PASSES = 3 * 1.5  # forward and backward, of an input that is seen and of half a one held apart
TOKENS = 512  # sequences, of which a few tens of tokens each are many positions
MOST = 2048  # of real inputs that are looked at
WORK = 1e12  # multiply-accumulates that making inputs may take, some half a minute of two cores
READING = 1e12  # and that looking at real ones may take
NOTHING = Split((), ())
REAL_RIDGE = 0.03  # mean eigenvalues: real inputs are trusted further than made ones


@dataclass(frozen=True)
class Inputs:
    """Inputs that make moments and others that measure; where they come from; the ridge that this
    calls for; labels of the first batch, if it had some."""

    split: Split = NOTHING
    origin: str = "frobenius"
    ridge: float = RIDGE
    labels: Any = None

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
) -> Inputs:
    """Made inputs of the kind that suits the network, or noise, or none.

    Raises InputError where ``metric`` asks for a kind that cannot be had.
    """
    if metric == "frobenius":
        return Inputs()
    wanted: dict[str, Callable[[], Inputs]] = {
        "synthetic": lambda: from_statistics(model, survey, example, most, seed, progress),
        "tokens": lambda: from_vocabulary(model, survey, example, most, seed),
        "noise": lambda: from_noise(model, survey, example, most, seed),
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


def from_noise(
    model: nn.Module, survey: Survey, example: Any, most: int | None, seed: int
) -> Inputs:
    """Smooth noise of the example's shape, as large as the example where that varies, else unit: on
    a network without normalisation, damages measured on it beat plain Frobenius by far
    (``benchmarks/claims/no_batchnorm.py``)."""
    if not isinstance(example, Tensor) or not example.is_floating_point():
        raise bad_value(
            "metric='noise' needs one input tensor of real numbers",
            type(example).__name__,
            "use metric='frobenius', or pass calibration=...",
        )
    count = most or affordable(READING, 6, survey, example, IMAGES)
    torch.manual_seed(seed)
    noise = smooth_noise((2 * count, *example.shape[1:]))
    noise = as_large(noise, example).to(next(model.parameters()).device, example.dtype)
    size = batch_taken(model, example, BATCH)
    seen, apart = (part.split(size) for part in noise.split(count))
    return Inputs(Split(seen, apart), "noise")


def as_large(noise: Tensor, example: Tensor) -> Tensor:
    """Unit noise with the mean and the deviation of an example, where it says any."""
    mean, spread = level_of(example) or (0.0, 1.0)
    return mean + spread * noise


def level_of(example: Tensor) -> tuple[float, float] | None:
    """Mean and deviation of real numbers, to two digits, which a plan keeps; None where they are
    all the same, not finite or whole."""
    if not example.is_floating_point() or example.numel() < 2:
        return None
    numbers = example.detach().double().cpu()
    mean, spread = (float(f"{float(x):.2g}") for x in (numbers.mean(), numbers.std(correction=0)))
    return (mean, spread) if 0 < spread < float("inf") else None


def per_input(survey: Survey, example: Any) -> float:
    """Multiply-accumulates of one input's forward pass."""
    batch = len(example) if isinstance(example, Tensor) and example.ndim else 1
    return survey.totals["macs"] / max(1, batch)


def least_of(example: Any) -> int:
    """The fewest inputs that say something."""
    return VOLUMES if is_volume(example) else LEAST


def affordable(work: float, passes: float, survey: Survey, example: Any, most: int) -> int:
    """As many inputs, each seen in so many passes, as the work pays for; never fewer than say
    something."""
    each = max(passes * per_input(survey, example), 1.0)
    return int(min(most, max(least_of(example), work / each)))
