"""What a process said last, fit for a table."""

from __future__ import annotations

import re

PATH = re.compile(r"(?:/[\w.+-]+){2,}/")
NOISE = re.compile(r"^\s*(?:warnings?\b|\[notice\]|$)", re.IGNORECASE)


def last_line(text: str) -> str:
    """The last line that says something, without folders, at most 200 characters."""
    lines = [line for line in text.splitlines() if not NOISE.match(line)]
    return PATH.sub("", lines[-1].strip() if lines else "nothing was said")[:200]
