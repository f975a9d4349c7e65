"""Where claims write what they measured, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def read_json(path: Path) -> Any:
    """The value in the file; an empty mapping where there is no file."""
    return json.loads(path.read_text()) if path.exists() else {}


def write_json(path: Path, value: Any) -> None:
    """Write the value as JSON, in place of an older file."""
    path.parent.mkdir(exist_ok=True, parents=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value, indent=1) + "\n")
    part.replace(path)
