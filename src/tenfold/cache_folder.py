"""Where things that are dear to make are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "TENFOLD_CACHE"  # a directory; empty switches the cache off


def cache_folder() -> Path | None:
    """``$TENFOLD_CACHE``, or a folder in the user's cache directory; None switches it off."""
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        return Path(chosen) if chosen else None
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tenfold"
