"""The files of the cache: what is there, how much of it there may be, and how it is taken away.

Beyond the limit those go whose last use is longest ago. Files that are not tenfold's stay.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tenfold.errors import bad_value
from tenfold.machine.files import cache_folder

LIMIT = "TENFOLD_CACHE_GB"  # what all entries may take
USUAL = 4.0
GB = 1e9
OURS = re.compile(r"(?:([a-z]+)-)?[0-9a-f]{24,32}\.(?:safetensors|json)")
PART = re.compile(r"tmp\w+\.part")  # of a process that was killed
STALE = 3600.0  # seconds after which no process is still writing one


@dataclass(frozen=True)
class Entry:
    """A file of the cache: what it holds, its bytes, and when it was last used."""

    path: Path
    kind: str
    size: int
    used: float


def limit_now() -> float:
    """Bytes that all entries may take. Raises InputError for what is no number."""
    text = os.environ.get(LIMIT) or str(USUAL)
    with contextlib.suppress(ValueError):
        if (size := float(text)) >= 0:
            return size * GB
    raise bad_value(f"{LIMIT} must be a number of gigabytes", repr(text), f"write {LIMIT}=4")


def entries() -> list[Entry]:
    """What is kept, by last use, oldest first; files that are not tenfold's are no entries."""
    found = (entry_of(path, match) for path, match in files(OURS))
    return sorted((each for each in found if each), key=lambda each: each.used)


def files(pattern: re.Pattern[str]) -> Iterator[tuple[Path, re.Match[str]]]:
    """Files of the cache whose whole name fits a pattern."""
    folder = cache_folder()
    if folder is not None and folder.is_dir():
        for path in folder.iterdir():
            if match := pattern.fullmatch(path.name):
                yield path, match


def entry_of(path: Path, match: re.Match[str]) -> Entry | None:
    """None for a file that another process took away."""
    with contextlib.suppress(OSError):
        state = path.stat()
        return Entry(path, match[1] or "inputs", state.st_size, state.st_mtime)
    return None


def trim(limit: float) -> None:
    """Take entries away, oldest use first, until the others keep the limit."""
    kept = entries()
    total = sum(each.size for each in kept)
    for each in kept:
        if total <= limit:
            break
        each.path.unlink(missing_ok=True)
        total -= each.size


def clear() -> tuple[int, int]:
    """Take all entries away, and what killed processes left; how many, and of how many bytes."""
    gone = entries()
    for each in gone:
        each.path.unlink(missing_ok=True)
    for path, _ in files(PART):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE:
                path.unlink()
    return len(gone), sum(each.size for each in gone)
