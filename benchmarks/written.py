"""Where benchmarks put what they measured, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def read_json(path: Path) -> Any:
    """What was written there; nothing yet is an empty mapping."""
    return json.loads(path.read_text()) if path.exists() else {}


def write_json(path: Path, told: Any) -> None:
    """The value as JSON, in place of what was there."""
    path.parent.mkdir(exist_ok=True, parents=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(told, indent=1) + "\n")
    part.replace(path)
