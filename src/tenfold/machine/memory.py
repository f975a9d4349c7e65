"""Keep what is freed: memory that comes and goes with every batch otherwise goes back to the system
and is mapped and zeroed anew, which can take a sixth of a training step on a CPU, and more than a
half of a pass over large images."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # names of glibc's mallopt(3)
KEEP = 1 << 30  # bytes
USUAL = {TRIM_THRESHOLD: 64 << 20, MMAP_THRESHOLD: 32 << 20}  # as far as glibc goes by itself


@contextlib.contextmanager
def keeping_memory() -> Iterator[None]:
    """During the block this process keeps the memory it frees; where the C library is another
    than glibc, nothing changes."""
    for name, usual in USUAL.items():
        ask_glibc("mallopt", name, KEEP) or ask_glibc("mallopt", name, usual)  # old ones refuse
    try:
        yield
    finally:
        for name, usual in USUAL.items():
            ask_glibc("mallopt", name, usual)
        give_back_memory()


def give_back_memory() -> None:
    """Return to the system what is free now."""
    ask_glibc("malloc_trim", 0)


def ask_glibc(function: str, *values: int) -> int:
    """What a function of the C library answers; 0 where it has none of this name."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        return int(getattr(ctypes.CDLL(None), function)(*values))
    return 0
