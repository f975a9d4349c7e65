"""What is dear to make, on disk: tensors and facts, under a name that says all they depend on.

An aid and never a need: what is missing, damaged or not tenfold's is made anew, and a folder that
cannot be written is passed over. Beyond a limit the entries go whose last use is longest ago.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tenfold.machine.cache_files import limit_now, trim
from tenfold.machine.files import cache_folder, keep
from tenfold.machine.processes import on_first_process, world
from tenfold.machine.tensors import checksum, in_order

A = TypeVar("A")
KEY = "tenfold"
UNREADABLE = (SafetensorError, OSError, KeyError, ValueError, TypeError, IndexError)


@dataclass(frozen=True)
class Kept:
    """Tensors by name, and facts that JSON can hold."""

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def name_for(kind: str, *depends: object) -> str:
    """A name for what is made from these, by this very code; each has a ``repr`` that tells it."""
    text = repr((code(), torch.__version__, depends))
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


@cache
def code() -> str:
    """Hash of tenfold's own source: no number is read that other code made."""
    hasher = hashlib.sha256()
    root = Path(__file__).parents[1]
    for file in sorted(root.rglob("*.py")):
        hasher.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return hasher.hexdigest()


def once(
    name: str | None, make: Callable[[], A], pack: Callable[[A], Kept], unpack: Callable[[Kept], A]
) -> A:
    """What ``make`` returns, or what it returned before under this name; None names nothing."""
    found = recall(name) if name else None
    return served(found, name, make, pack, unpack)


def once_for_all(
    name: str | None, make: Callable[[], A], pack: Callable[[A], Kept], unpack: Callable[[Kept], A]
) -> A:
    """The same where all processes call it, and the first one reads and writes."""
    found = on_first_process(lambda: recall(name) if name else None)
    return served(found, name if world().first else None, make, pack, unpack)


def served(
    found: Kept | None,
    name: str | None,
    make: Callable[[], A],
    pack: Callable[[A], Kept],
    unpack: Callable[[Kept], A],
) -> A:
    """What was found, if it can be read; else what is made, which is written."""
    if found is not None:
        with contextlib.suppress(*UNREADABLE):
            return unpack(found)
    value = make()
    if name:
        remember(name, pack(value))
    return value


def recall(name: str) -> Kept | None:
    """What is kept under a name, which counts as a use; None for nothing that can be read."""
    folder = cache_folder()
    if folder is None:
        return None
    path = folder / f"{name}.safetensors"
    with contextlib.suppress(*UNREADABLE):
        found = read(path)
        os.utime(path)
        return found
    return None


def read(path: Path) -> Kept:
    """The file's tensors, each in memory of its own, and facts. Raises what ``UNREADABLE`` lists
    for any other file."""
    with safe_open(path, framework="pt") as file:
        noted = file.metadata() or {}
        tensors = {key: in_order(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118
    if (noted["name"], noted["sum"]) != (path.stem, checksum(tensors, noted[KEY])):
        raise ValueError(f"{path} holds something else than its name says")
    return Kept(tensors, json.loads(noted[KEY]))


def remember(name: str, kept: Kept) -> None:
    """Write under a name, whole or not at all, and make room for it; nothing where it takes more
    than all may."""
    folder = cache_folder()
    if folder is None:
        return
    limit = limit_now()
    if sum(x.nbytes for x in kept.tensors.values()) > limit:
        return
    held = {key: in_order(x.detach().cpu()) for key, x in kept.tensors.items()}
    text = json.dumps(kept.facts)
    noted = {"name": name, KEY: text, "sum": checksum(held, text)}
    keep(folder / f"{name}.safetensors", lambda part: save_file(held, part, metadata=noted))
    trim(limit)
