"""What was measured of a saved model since -> its report and page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tenfold.bench import Cell
from tenfold.machine.timing import processor
from tenfold.report import Quality, Report, Timed
from tenfold.store.folder import renew_report


def note_file(folder: str | Path, entry: Mapping[str, Any]) -> Path:
    """Put a file that was made of a saved model into its report and page; returns the page.

    ``entry`` is ``quantised_to_json`` of it, and replaces that of a file of the same name. Raises
    InputError when the directory has no report, or cannot be written.
    """
    entry = json.loads(json.dumps(entry))

    def noted(report: Report) -> Report:
        others = tuple(x for x in report.files if x["path"] != entry["path"])
        return replace(report, files=(*others, entry))

    return renew_report(folder, noted)


def note_quality(folder: str | Path, quality: Quality) -> Path:
    """The same of a quality, in place of that by the same measure on the same data; what was known
    of the plan alone stays."""
    key = (quality.measure, quality.data)

    def noted(report: Report) -> Report:
        same = [x for x in report.quality if (x.measure, x.data) == key]
        others = tuple(x for x in report.quality if (x.measure, x.data) != key)
        alone = quality.alone or next((x.alone for x in same), None)
        return replace(report, quality=(*others, replace(quality, alone=alone)))

    return renew_report(folder, noted)


def note_latency(folder: str | Path, cells: Sequence[Cell]) -> Path:
    """The same of latencies, each in place of that of the same engine, batch and threads."""
    fresh = {(cell.engine, cell.batch, cell.threads): Timed(cell, processor()) for cell in cells}

    def noted(report: Report) -> Report:
        old = {(x.cell.engine, x.cell.batch, x.cell.threads): x for x in report.latency}
        return replace(report, latency=tuple({**old, **fresh}.values()))

    return renew_report(folder, noted)
