"""report.json -> Report, to draw its page anew when there is more to tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenfold.errors import bad_value
from tenfold.machine.schema import upgraded
from tenfold.report.recount import KEY, STEPS, Line, Reached, Report
from tenfold.values import Refusal


def report_from_json(data: Mapping[str, Any]) -> Report:
    """What ``report_to_json`` gave. Raises InputError for anything else."""
    try:
        data = upgraded(data, KEY, STEPS, "A report")
        return Report(
            **{
                **data,
                "limits": tuple(Reached(**x) for x in data["limits"]),
                "lines": tuple(_line(x) for x in data["lines"]),
                "refusals": tuple(Refusal(**x) for x in data["refusals"]),
                "trace": tuple(data["trace"]),
                "history": tuple(data.get("history", ())),
                "files": tuple(data.get("files", ())),
            }
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise bad_value(
            "A report must be one that tenfold.save wrote",
            f"{type(error).__name__} {error}",
            "save the model again",
        ) from error


def _line(data: Mapping[str, Any]) -> Line:
    """JSON has lists where a line has tuples."""
    lists = {name: tuple(data[name]) for name in ("ranks", "params", "macs")}
    return Line(**{**data, **lists})
