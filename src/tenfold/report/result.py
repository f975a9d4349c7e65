"""What ``compress`` hands back."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from tenfold.report.recount import Report
from tenfold.values import Plan


@dataclass(frozen=True)
class Result:
    """What ``compress`` hands back: the new module, the plan it follows, the recount of both.

    ``untuned`` is the module before fine-tuning, what the plan alone gives without data.
    """

    model: nn.Module
    plan: Plan
    report: Report
    untuned: nn.Module
