"""Where things that are dear to make are kept between runs; an aid, never a need."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

VARIABLE = "TENFOLD_CACHE"  # a directory; empty switches the cache off


def cache_folder() -> Path | None:
    """``$TENFOLD_CACHE``, or a folder in the user's cache directory; None switches it off."""
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        return Path(chosen) if chosen else None
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tenfold"


def keep(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make the file, whole or not at all; an unwritable folder is passed over."""
    with contextlib.suppress(SafetensorError, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
        os.close(handle)
        try:
            write(Path(part))
            Path(part).replace(path)
        finally:
            Path(part).unlink(missing_ok=True)
