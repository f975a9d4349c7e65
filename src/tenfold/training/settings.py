"""How to fine-tune: one frozen value, saved with the run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import index
from typing import Any

from tenfold.data.augment import VIEWS
from tenfold.errors import bad_value

PRECISIONS = ("fp32", "bf16", "fp16", "auto")
NOT_NEGATIVE = (
    "epochs",
    "warmup",
    "weight_decay",
    "task",
    "logits",
    "features",
    "reestimate",
    "every",
)
POSITIVE = ("clip", "temperature")
WHOLE = ("epochs", "views", "class_mode", "reestimate", "accumulate", "seed")
REAL = (
    "rate",
    "warmup",
    "weight_decay",
    "clip",
    "task",
    "logits",
    "features",
    "temperature",
    "ema",
    "every",
)


@dataclass(frozen=True)
class TuneSettings:
    """Every setting of the fine-tuning.

    Attributes:
        epochs: passes over the data.
        rate: AdamW's peak learning rate; None scales it to how much was compressed.
        warmup: share of all steps during which the rate rises linearly; cosine to zero after.
        weight_decay: decoupled, on weights of two modes and more.
        clip: largest gradient norm; CP chains diverge without it.
        task, logits, features: weights of the task's loss, of the divergence from the original's
            output and of the normalised squared difference of block outputs.
        temperature: of the softened outputs (Hinton et al. 2015).
        views: how many views of an image the original answers to, 10 at most: itself, its mirror
            image, then both moved a little to one side after another; the mean of its answers
            teaches. For images whose mirror image is of the same class.
        class_mode: mode of the output over which the softmax runs: 1 for ``(batch, classes,
            ...)``, -1 for ``(batch, time, classes)``; None for outputs that are plain values
            (regression), which are compared by their squared difference.
        batchnorm: ``"train"`` lets statistics follow the batches, ``"frozen"`` keeps them.
        reestimate: batches from which BatchNorm statistics are estimated anew before the first
            step; 0 keeps the original's.
        precision: ``"fp32"``; ``"bf16"`` or ``"fp16"`` (with a scaled loss) for the forward
            passes, weights staying as they are; or ``"auto"``, bf16 where the hardware computes
            in it.
        balance: whether the factors of a chain are first given weights of one size, which
            changes nothing that the network computes and lets all of them learn.
        channels_last: whether to compute with the channels innermost, which most hardware likes.
        accumulate: batches an optimiser step; their gradients are averaged.
        ema: decay a step of an average of the weights, which is then judged and kept in place of
            the weights themselves; 0 for none.
        every: seconds between two checkpoints within an epoch.
        seed: of shuffling, augmentation and dropout, per epoch.
    """

    epochs: int = 10
    rate: float | None = None
    warmup: float = 0.1
    weight_decay: float = 1e-4
    clip: float = 1.0
    task: float = 0.5
    logits: float = 1.0
    features: float = 1.0
    temperature: float = 2.0
    views: int = 1
    class_mode: int | None = 1
    batchnorm: str = "train"
    reestimate: int = 50
    precision: str = "fp32"
    balance: bool = True
    channels_last: bool = False
    accumulate: int = 1
    ema: float = 0.0
    every: float = 60.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in WHOLE:
            self._set(name, index, "a whole number")
        for name in REAL:
            self._set(name, float, "a number")
        for name in NOT_NEGATIVE:
            if not getattr(self, name) >= 0:  # NaN is not, either
                raise bad_value(f"{name} must be 0 or more", getattr(self, name), "correct it")
        for name in POSITIVE:
            if not getattr(self, name) > 0:
                raise bad_value(f"{name} must be above 0", getattr(self, name), "leave it out")
        if self.warmup > 1:
            raise bad_value("warmup must be a share of all steps", self.warmup, "use 0.1")
        if self.rate is not None and not 0 < self.rate < math.inf:
            raise bad_value("The learning rate must be above 0", self.rate, "leave it out")
        if self.batchnorm not in ("train", "frozen"):
            raise bad_value(
                "batchnorm must be 'train' or 'frozen'", repr(self.batchnorm), "choose one"
            )
        if self.precision not in PRECISIONS:
            raise bad_value(
                "precision must be a known name", repr(self.precision), " or ".join(PRECISIONS)
            )
        if self.accumulate < 1:
            raise bad_value("accumulate must be at least 1", self.accumulate, "use 1")
        if not 1 <= self.views <= VIEWS:
            raise bad_value(f"views must be 1 to {VIEWS}", self.views, "use 1, 2 or 4")
        if not 0 <= self.ema < 1:
            raise bad_value("ema must lie in 0 to 1, without 1", self.ema, "use 0 or 0.999")

    def _set(self, name: str, kind: Callable[[Any], Any], wanted: str) -> None:
        """As a plain number, which JSON can hold."""
        value = getattr(self, name)
        try:
            plain = value if value is None else kind(value)
        except (TypeError, ValueError):
            raise bad_value(f"{name} must be {wanted}", repr(value), "correct it") from None
        object.__setattr__(self, name, plain)

    def peak_rate(self, before: int, after: int) -> float:
        """The peak rate for a network that went from ``before`` to ``after`` parameters: little
        was lost at 1.3x, so little may move; at 10x most has to be learned again."""
        if self.rate is not None:
            return self.rate
        return 1e-3 * min(2.0, math.sqrt(max(before / max(after, 1) - 1, 0.05) / 4))

    def rate_at(self, step: int, steps: int, peak: float) -> float:
        """Linear warm-up, then half a cosine; a pure function, so a resumed run agrees."""
        rising = max(1, round(self.warmup * steps))
        if step < rising:
            return peak * (step + 1) / rising
        return peak * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


# Statistics of few inputs are worse than those that the network learned, hence frozen.
GENTLE = TuneSettings(rate=5e-4, batchnorm="frozen", reestimate=0, task=0.0)
# On made inputs all outputs teach, the unlikely ones too, and no blocks (docs/recover.md).
MADE = replace(GENTLE, rate=None, temperature=20.0, features=0.0)
