"""Networks by name, as ``timm:resnet18``, with trained weights from a hub: what lies in the cache
is taken without a connection, and what does not, or what nobody knows, is refused in one
sentence."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from tenfold.errors import TenfoldError, bad_value, in_a_line
from tenfold.runtimes.talk import quiet

PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
CONNECTIONS = ("httpx", "requests", "urllib", "urllib3", "huggingface_hub")  # whose errors
WAYS_OUT = "pass --weights FILE if you have them, or --weights random for a try without any"


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


@contextmanager
def fetching(text: str) -> Iterator[None]:
    """Errors of opening a network by name, inside, become one InputError with the ways out."""
    try:
        with quiet():
            yield
    except TenfoldError:
        raise
    except Exception as error:  # of the hub's and the library's own classes
        raise bad_value(rule_for(text, error), in_a_line(error).rstrip("."), WAYS_OUT) from error


def rule_for(text: str, error: Exception) -> str:
    """What was not kept: that the weights can be had, or that the library opens them."""
    if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in CONNECTIONS:
        return f"{text} must find its trained weights in the cache or on the internet"
    return f"{text} must open with what its library has of it"


@contextmanager
def hub_within_reach() -> Iterator[None]:
    """The hub of Hugging Face, which without a connection is asked for its cache alone: it would
    try again for minutes."""
    from huggingface_hub import constants

    before: Any = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not reachable(constants.ENDPOINT)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def reachable(address: str) -> bool:
    """Whether the name of a host can be resolved, or a proxy does so."""
    if any(os.environ.get(name) for name in PROXIES):
        return True
    try:
        socket.getaddrinfo(urlsplit(address).hostname, 443)
    except OSError:
        return False
    return True
