"""A name after a prefix, as ``timm:resnet18``; and the names nearest to one that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from tenfold.errors import bad_value


def name_in(text: str) -> str:
    """What follows the first colon."""
    return text.partition(":")[2]


def check_known(kind: str, name: str, known: Iterable[str], listing: str) -> None:
    """Raises InputError, which offers the nearest names, for one that is not known; ``listing``
    is the call that lists all."""
    names = sorted(known)
    if name in names:
        return
    near = get_close_matches(name, names, n=3, cutoff=0.4)
    way_out = f"try {' or '.join(near)}" if near else f"see {listing}"
    raise bad_value(f"{kind} must be a known name", repr(name), way_out)
