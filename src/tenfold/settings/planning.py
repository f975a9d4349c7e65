"""How to plan and build: one frozen value, saved with the plan."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from tenfold.settings.check import check_settings
from tenfold.settings.fields import setting


@dataclass(frozen=True)
class PlanSettings:
    """How to plan and build; every field is a keyword of ``tenfold.plan`` and ``compress``.

    ``formats``: names of allowed formats; all by default. ``include``, ``exclude``: shell patterns
    on qualified layer names. ``round_to``: ranks are multiples of this; 1 by default; 8, and 16 in
    layers of 64 channels and more, when a latency is limited. ``metric``: ``"synthetic"`` senses
    the network on inputs made from its BatchNorm statistics, or on made token ids, ``"noise"`` on
    smooth noise, ``"frobenius"`` takes weights as they are, ``"auto"`` is the first where it can
    be, the second for other networks on images, else the third. ``latency_table``: a JSON file
    measured on another device, for which a latency then holds. ``refine``: ``"layers"`` fits each
    layer to the original's outputs on the sensed inputs; ``"end-to-end"`` also trains ranks and
    factors of all layers together on more of them; neither needs data. ``task``: what outputs are
    compared for, in planning and fine-tuning; guessed from outputs and labels by default. ``seed``:
    the seed of every random choice; the caller's random state is not touched.
    """

    formats: tuple[str, ...] | None = setting(None, "Allowed formats; all by default.")
    include: tuple[str, ...] = setting(
        (), "Plan only layers whose name matches this shell pattern; repeatable."
    )
    exclude: tuple[str, ...] = setting(
        (), "Leave layers alone whose name matches this shell pattern; repeatable."
    )
    round_to: int | None = setting(
        None, "Ranks are multiples of this; 1 by default, 8 or 16 for a latency.", least=1
    )
    method: str = setting("continuous", "How formats and ranks are searched.")
    metric: str = setting("auto", "How errors in the weights of a layer are weighed.")
    latency_table: str | None = setting(
        None, "Times measured on another device, a JSON file of measure_table.py."
    )
    refine: str = setting(
        "layers",
        "What is fitted to the original without data: each layer, or also the ranks and factors of "
        "all layers together.",
        choices=("layers", "end-to-end"),
    )
    task: str | None = setting(
        None,
        "What the outputs are for: classes:1 (the mode over classes), language, regression, "
        "embedding, detection, or file.py:function of (output, original output) that says how far "
        "they are apart; guessed by default.",
    )
    seed: int = setting(0, "Seed of every random choice.")

    def __post_init__(self) -> None:
        check_settings(self)

    def __getitem__(self, name: str) -> Any:
        """As in 0.1, when ``Plan.settings`` was a mapping; a warning says what to write."""
        moved = MOVED.get(name, f"settings.{name}")
        warnings.warn(
            f"plan.settings[{name!r}] is plan.{moved} now and will go in 0.3",
            DeprecationWarning,
            stacklevel=2,
        )
        if name in MOVED:
            raise KeyError(f"{name}, which is plan.{moved} now")
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None


# What the bag of 0.1 held that is not a setting; ``metric`` there was what had been sensed on.
MOVED = {"metric": "origin", "latency": "measured", "tuning": "tuning", "example": "example"}
