"""Errors and damages of a plan whose ranks were changed after the search, read off its curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tenfold.curves.trace import Curve
from tenfold.values import Choice, Plan


def predict(curves: Sequence[Curve], damages: Sequence[Tensor], plan: Plan) -> Plan:
    """The plan with errors and damages of the nearest rows of its curves."""
    choices = tuple(_read(curves, damages, choice) for choice in plan.choices)
    return replace(plan, choices=choices, damage=sum(choice.damage for choice in choices))


def _read(curves: Sequence[Curve], damages: Sequence[Tensor], choice: Choice) -> Choice:
    """One choice, by the row whose ranks are nearest in the logarithm."""
    for curve, damage in zip(curves, damages):
        if (curve.site.name, curve.format) != (choice.site, choice.format):
            continue
        wanted = torch.tensor(choice.ranks, dtype=torch.float64).clamp_min(1).log()
        row = int((curve.ranks.double().clamp_min(1).log() - wanted).square().sum(1).argmin())
        error = float(curve.errors[row].clamp_min(0).sqrt())
        return replace(choice, error=error, damage=float(damage[row]))
    return choice
