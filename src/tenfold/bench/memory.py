"""Peak memory of one model in one engine: what the process grows by while it loads and runs."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tenfold.machine.memory import give_back_memory

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_growth(load: Callable[[], Callable[[], Any]]) -> int | None:
    """Bytes that resident memory rises by, at its highest, while ``load()`` and one run of what
    it returns take place; None where the system does not tell (anything but Linux)."""
    gc.collect()
    give_back_memory()  # pages kept by earlier models would hide this one's
    try:
        RESET.write_text("5")  # the high-water mark starts anew
        before = resident("VmRSS")
        run = load()
        run()
        return max(0, resident("VmHWM") - before)
    except (OSError, ValueError):
        return None


def resident(field: str) -> int:
    """One line of the process's status, in bytes."""
    match = re.search(rf"{field}:\s+(\d+) kB", STATUS.read_text())
    if not match:
        raise ValueError(field)
    return 1024 * int(match[1])
