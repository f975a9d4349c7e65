"""A table of measured layers as JSON: written by a stand-alone script, read back and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tenfold.errors import InputError, bad_value

VERSION = 1
COUNTED = ("params", "macs")  # costs that tell one network from another


@dataclass(frozen=True)
class Table:
    """Milliseconds by key of a unit, those of the whole network, and where they were measured."""

    engine: str
    threads: int
    whole: float
    times: Mapping[str, float]
    conditions: Mapping[str, Any] = field(default_factory=dict)  # machine, versions
    network: Mapping[str, float] | None = None  # its COUNTED costs; of older tables unknown


def table_to_json(table: Table) -> dict[str, Any]:
    """A dictionary of plain values."""
    return {"tenfold_latency": VERSION, **asdict(table)}


def read_table(path: str | Path) -> Table:
    """The table in a JSON file. Raises InputError for anything else."""
    try:
        data = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise bad_value(
            "A latency table must be a JSON file", f"{path}: {error}", "check the path"
        ) from error
    if not isinstance(data, Mapping) or data.get("tenfold_latency") != VERSION:
        raise _refuse(path, f"no tenfold_latency: {VERSION}")
    try:
        times = {str(key): float(value) for key, value in data["times"].items()}
        table = Table(
            str(data["engine"]),
            int(data["threads"]),
            float(data["whole"]),
            times,
            dict(data.get("conditions", {})),
            data.get("network") and dict(data["network"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _refuse(path, f"{type(error).__name__} at {error}") from error
    for key, value in {**times, "whole": table.whole}.items():
        if not (math.isfinite(value) and value > 0):
            raise _refuse(path, f"{value} ms for {key}")
    return table


def _refuse(path: str | Path, found: str) -> InputError:
    return bad_value(
        "A latency table must hold positive milliseconds as measure_table.py writes them",
        f"{found} in {path}",
        "make it with `tenfold table SOURCE --out FOLDER`",
    )
