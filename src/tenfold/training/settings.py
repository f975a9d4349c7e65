"""How to fine-tune: one frozen value, saved with the run; and the usual one for the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from tenfold.data.augment import VIEWS, Blends
from tenfold.errors import bad_value
from tenfold.settings import check_settings, make_settings, setting


@dataclass(frozen=True)
class TuneSettings:
    """Every setting of the fine-tuning. A line of help stands beside each; some need more:

    ``rate``: None scales it to how much was compressed (``peak_rate``). ``clip``: CP chains
    diverge without it. ``temperature``: of Hinton et al. 2015. ``views``: an image itself, its
    mirror image, then both moved a little to one side after another; for images whose mirror
    image is of the same class. ``class_mode``: 1 for ``(batch, classes, ...)``, -1 for
    ``(batch, time, classes)``; None for plain values (regression), which are compared by their
    squared difference. ``batchnorm``: ``"train"`` lets statistics follow the batches,
    ``"frozen"`` keeps them. ``precision``: of the forward passes, while weights stay as they are;
    ``"fp16"`` scales the loss, ``"auto"`` is bf16 where the hardware computes in it. ``balance``
    changes nothing that the network computes. ``ema``: the average is judged and kept in place of
    the weights themselves.
    """

    epochs: int = setting(10, "Passes over the data; 0 trains nothing.", least=0)
    rate: float | None = setting(
        None,
        "Peak learning rate of AdamW; by default it follows how much was removed.",
        above=0,
        below=math.inf,
    )
    warmup: float = setting(
        0.1,
        "Share of all steps in which the rate rises linearly; a cosine to zero follows.",
        least=0,
        most=1,
    )
    weight_decay: float = setting(
        1e-4, "Decoupled decay of weights of two modes and more.", least=0
    )
    clip: float = setting(1.0, "Largest norm of the gradient.", above=0)
    task: float = setting(0.5, "Weight of the task's loss.", least=0)
    logits: float = setting(1.0, "Weight of the divergence from the original's output.", least=0)
    features: float = setting(
        1.0, "Weight of the normalised squared difference of block outputs.", least=0
    )
    losses: tuple[str, ...] = setting(
        (), "Further losses by name, each with its weight, as relations:0.5."
    )
    temperature: float = setting(2.0, "Temperature of the softened outputs.", above=0)
    views: int = setting(
        1, "Views of an image whose answers by the original are averaged.", least=1, most=VIEWS
    )
    class_mode: int | None = setting(
        1, "Mode of the output that runs over classes, -1 for sequences; none for plain values."
    )
    batchnorm: str = setting(
        "train", "What statistics of BatchNorm do.", choices=("train", "frozen")
    )
    reestimate: int = setting(
        50,
        "Batches to estimate BatchNorm statistics from before the first step; 0 keeps them.",
        least=0,
    )
    precision: str = setting(
        "fp32", "Precision of the forward passes.", choices=("fp32", "bf16", "fp16", "auto")
    )
    balance: bool = setting(
        True, "Whether the factors of a chain begin with weights of one size, so that all learn."
    )
    channels_last: bool = setting(
        False, "Whether to compute with the channels innermost, which most hardware prefers."
    )
    accumulate: int = setting(
        1, "Batches in a step of the optimiser; their gradients are averaged.", least=1
    )
    ema: float = setting(
        0.0, "Decay, in a step, of an average of the weights; 0 for none.", least=0, below=1
    )
    every: float = setting(60.0, "Seconds between two checkpoints within an epoch.", least=0)
    seed: int = setting(0, "Seed of shuffling, augmentation and dropout.")

    def __post_init__(self) -> None:
        check_settings(self)
        for entry in self.losses:
            read_weight(entry)

    def weight_of(self, loss: str) -> float:
        """How much a loss counts, by its own setting or as ``losses`` has it; 0 leaves it out."""
        if loss in OWN_WEIGHT:
            return float(getattr(self, loss))
        return dict(map(read_weight, self.losses)).get(loss, 0.0)

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


OWN_WEIGHT = ("task", "logits", "features")  # losses that are settings themselves


def read_weight(entry: str) -> tuple[str, float]:
    """``"relations:0.5"`` -> its name and weight, 1 where none is written. Raises InputError."""
    name, _, weight = entry.partition(":")
    try:
        value = float(weight or 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise bad_value(
            "A loss must have a weight of 0 or more", repr(entry), "write it as relations:0.5"
        )
    return name.strip(), value


# Statistics of few inputs are worse than those that the network learned, hence frozen.
GENTLE = TuneSettings(rate=5e-4, batchnorm="frozen", reestimate=0, task=0.0)
# On made inputs all outputs teach, the unlikely ones too, and no blocks (docs/recover.md).
MADE = replace(GENTLE, rate=None, temperature=20.0, features=0.0)


def settings_for(
    data: Any, tuning: TuneSettings | Mapping[str, Any] | None, seed: int, epochs: int | None
) -> TuneSettings:
    """TuneSettings as they are; names and values as changes of the usual settings for the data.

    Raises InputError for a name that is no setting, or a value that it cannot have.
    """
    changes: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    if isinstance(tuning, TuneSettings):
        return replace(tuning, **changes)
    return make_settings(TuneSettings, usual_for(data), {"seed": seed, **(tuning or {}), **changes})


def usual_for(data: Any) -> TuneSettings:
    """The usual settings: gentle ones for few inputs, others for made ones."""
    if isinstance(data, str):
        return MADE
    return GENTLE if isinstance(data, (Tensor, Blends)) else TuneSettings()
