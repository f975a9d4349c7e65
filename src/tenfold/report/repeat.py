"""What repeats a run: the command that was given, or the call of Python."""

from __future__ import annotations

from tenfold.report.report import Report
from tenfold.settings import PlanSettings
from tenfold.settings.fields import fields_of
from tenfold.values import Plan


def say_repeat(report: Report, plan: Plan) -> str:
    """One command or call."""
    return report.command or say_call(plan)


def say_call(plan: Plan) -> str:
    """``tenfold.compress`` with this budget and the settings that are not the usual."""
    budget = ",".join(f"{limit.cost}={limit.asked}" for limit in plan.budget)
    usual = PlanSettings()
    given = [
        f"{name}={getattr(plan.settings, name)!r}"
        for name in fields_of(PlanSettings)
        if getattr(plan.settings, name) != getattr(usual, name)
    ]
    given += ["calibration=..."] if plan.origin == "calibration" else []
    given += ["data=..."] if plan.tuning else []
    return f"tenfold.compress({', '.join(['model', 'example', repr(budget), *given])})"
