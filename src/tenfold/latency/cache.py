"""Measured shares on disk, one file a cost, engine, version, number of threads and processor."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
from collections.abc import Mapping
from pathlib import Path

from tenfold.machine.files import cache_folder, keep
from tenfold.machine.timing import processor
from tenfold.runtimes import Runtime

VERSION = 2  # 1 was measured on other graphs than those that are exported


def conditions(engine: Runtime, threads: int) -> dict[str, str | int]:
    """What a measured share holds for."""
    return {
        "engine": engine.name,
        "version": engine.version(),
        "threads": threads,
        "machine": platform.machine(),
        "processor": processor(),
        "table": VERSION,
    }


def read_shares(cost: str, held_for: Mapping[str, str | int]) -> dict[str, float]:
    """What earlier runs measured; nothing when there is no cache or it is damaged."""
    path = _path(cost, held_for)
    if path is None:
        return {}
    with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
        shares = json.loads(path.read_text("utf-8"))["shares"]
        return {str(key): float(value) for key, value in shares.items() if float(value) > 0}
    return {}


def add_shares(cost: str, held_for: Mapping[str, str | int], shares: Mapping[str, float]) -> None:
    """Keep what was measured; an unwritable directory is passed over."""
    path = _path(cost, held_for)
    if path is None:
        return
    merged = {**read_shares(cost, held_for), **shares}
    text = json.dumps({"held_for": held_for, "shares": merged})
    keep(path, lambda part: part.write_text(text, "utf-8"))


def _path(cost: str, held_for: Mapping[str, str | int]) -> Path | None:
    folder = cache_folder()
    name = hashlib.sha256(json.dumps(held_for, sort_keys=True).encode()).hexdigest()[:24]
    return folder / f"{cost}-{name}.json" if folder else None
