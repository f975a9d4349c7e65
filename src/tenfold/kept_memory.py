"""Keep what is freed: memory that comes and goes with every batch otherwise goes back to the system
and is mapped and zeroed anew, which can take a sixth of a training step on a CPU."""

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
    with contextlib.suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        for name, usual in USUAL.items():
            library.mallopt(name, KEEP) or library.mallopt(name, usual)  # older ones refuse a GiB
    try:
        yield
    finally:
        with contextlib.suppress(OSError, AttributeError, TypeError):
            library = ctypes.CDLL(None)
            for name, usual in USUAL.items():
                library.mallopt(name, usual)
            library.malloc_trim(0)
