"""What is told of a compressed network: frozen values, and the same as JSON, from which a page is
drawn anew when there is more to tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import nn

from tenfold.bench import Cell
from tenfold.errors import InputError, bad_value
from tenfold.machine.from_json import make
from tenfold.machine.schema import Step, upgraded
from tenfold.values import Mean, Plan, Refusal, plain

KEY = "tenfold_report"


def _from_version_1(body: dict[str, Any]) -> dict[str, Any]:
    """Version 1 knew of no quality, no latency in other engines and no command."""
    return {**body, "quality": [], "latency": [], "command": ""}


STEPS: tuple[Step, ...] = (_from_version_1,)  # from each version to the next


@dataclass(frozen=True)
class Report:
    """Counts before and after by an independent recount; what was measured, if anything was.

    ``files`` tells of the int8 files made of the saved model: each beside the float ones it was
    measured with, as ``tenfold.quantise`` writes it down. ``quality`` and ``latency`` are what was
    measured of the saved model since; ``command`` repeats the run, where it was one.
    """

    before: Mapping[str, float]
    after: Mapping[str, float]
    limits: tuple[Reached, ...]
    lines: tuple[Line, ...]
    refusals: tuple[Refusal, ...]
    method: str
    gap: float | None
    trace: tuple[Mapping[str, float], ...]
    seconds: Mapping[str, float]
    environment: Mapping[str, Any]
    measured: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()
    files: tuple[Mapping[str, Any], ...] = ()
    quality: tuple[Quality, ...] = ()
    latency: tuple[Timed, ...] = ()
    command: str = ""

    def times_smaller(self, cost: str) -> float:
        """How many times less of a cost is left."""
        return self.before[cost] / max(self.after[cost], 1e-300)


@dataclass(frozen=True)
class Reached:
    """One limit: as asked, in absolute terms, what the plan predicted, what was counted."""

    cost: str
    asked: str
    limit: float
    predicted: float
    reached: float | None  # None: measured on a device that is not here


@dataclass(frozen=True)
class Line:
    """One layer: what became of it, and its parameters counted in both modules."""

    name: str
    format: str
    ranks: tuple[int, ...]
    error: float
    params: tuple[int, int]
    macs: tuple[float, float]
    reason: str = ""


@dataclass(frozen=True)
class Quality:
    """How good the networks are on labelled data; higher is better. ``alone`` is what the plan
    alone gives, before a fine-tuning, where that was measured."""

    measure: str  # "top-1", or the function that was asked
    unit: str  # "%" or nothing
    data: str
    before: Mean
    after: Mean
    alone: Mean | None = None


@dataclass(frozen=True)
class Timed:
    """Both networks in one engine at one batch size, and the processor they were timed on."""

    cell: Cell
    machine: str


@dataclass(frozen=True)
class Result:
    """What ``compress`` hands back: the new module, the plan it follows, the recount of both.

    ``untuned`` is the module before fine-tuning, what the plan alone gives without data.
    """

    model: nn.Module
    plan: Plan
    report: Report
    untuned: nn.Module


def report_to_json(report: Report) -> dict[str, Any]:
    """A dictionary of plain values, with its version."""
    body: dict[str, Any] = plain({**asdict(report), "lines": [asdict(x) for x in report.lines]})
    return {KEY: len(STEPS) + 1, **body}


def report_from_json(data: Mapping[str, Any]) -> Report:
    """What ``report_to_json`` gave. Raises InputError for anything else."""
    try:
        return make(Report, upgraded(data, KEY, STEPS, "A report"))
    except InputError:
        raise
    except (TypeError, AttributeError, ValueError) as error:
        raise bad_value(
            "A report must be one that tenfold.save wrote",
            f"{type(error).__name__} {error}",
            "save the model again",
        ) from error
