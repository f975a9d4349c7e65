"""``tenfold cache``: what is kept on disk to be made once, and how to be rid of it."""

from __future__ import annotations

from typing import Annotated

import typer

from tenfold.cli._shared import Json
from tenfold.cli._terminal import console, say_json, table
from tenfold.machine.cache_files import GB, LIMIT, Entry, entries, limit_now
from tenfold.machine.cache_files import clear as delete_all
from tenfold.machine.files import VARIABLE, cache_folder

Clear = Annotated[bool, typer.Option("--clear", help="Delete all that is kept.")]


def cache(clear: Clear = False, json: Json = False) -> None:
    """Show what is kept on disk, so that a second budget of a network is planned in seconds.

    TENFOLD_CACHE names the folder, and switches the cache off where it is empty; TENFOLD_CACHE_GB
    limits it, 4 by default, and what was used longest ago goes first.

    [bold]Examples[/]

      tenfold cache

      tenfold cache --clear
    """
    out, folder = console(json), cache_folder()
    if folder is None:
        out.print(f"The cache is off: {VARIABLE} is empty.")
    elif clear:
        count, size = delete_all()
        out.print(f"Deleted {count} files, {size / GB:.3f} GB, in {folder}.")
    else:
        kinds = by_kind(entries())
        rows = [[kind, str(n), f"{size / GB:.3f}"] for kind, (n, size) in kinds.items()]
        out.print(table(f"Kept in {folder}", ["kind", "#files", "#GB"], rows))
        total = sum(size for _, size in kinds.values())
        out.print(f"{total / GB:.3f} of at most {limit_now() / GB:g} GB ({LIMIT}).")
    if json:
        left = by_kind(entries())
        kept = {kind: {"files": n, "bytes": size} for kind, (n, size) in left.items()}
        say_json({"folder": str(folder) if folder else None, "kept": kept})


def by_kind(kept: list[Entry]) -> dict[str, tuple[int, int]]:
    """How many files of each kind, and their bytes."""
    kinds: dict[str, tuple[int, int]] = {}
    for entry in kept:
        count, size = kinds.get(entry.kind, (0, 0))
        kinds[entry.kind] = count + 1, size + entry.size
    return dict(sorted(kinds.items()))
