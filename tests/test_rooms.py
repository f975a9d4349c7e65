"""The order of the rooms: no folder imports one that stands above it."""

from __future__ import annotations

import ast
from pathlib import Path

import tenfold

ROOT = Path(tenfold.__file__).parent
# From the ground up; a room may import those before it. ``docs/architecture.md`` draws them.
ORDER = (
    "errors",
    "settings",
    "values",
    "registry",
    "machine",
    "network",
    "tasks",
    "runtimes",
    "layers",
    "compounds",
    "formats",
    "costs",
    "survey",
    "data",
    "sense",
    "curves",
    "search",
    "training",
    "build",
    "deploy",
    "bench",
    "latency",
    "report",
    "store",
    "stream",
    "pipeline",
    "demo",
    "sources",
    "cli",
    "__init__",
    "__main__",
)


def imports_of(file):
    """Dotted names below ``tenfold`` that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tenfold":
            inside = node.module.removeprefix("tenfold").lstrip(".")
            yield from [inside] if inside else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("tenfold."):
                    yield alias.name.removeprefix("tenfold.")


def room_of(file):
    """The folder or file at the top of the package that a file lies in."""
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def test_every_room_has_its_place():
    rooms = {room_of(file) for file in ROOT.rglob("*.py")}
    assert rooms <= set(ORDER)


def test_no_room_imports_one_above_it():
    climbs = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in ROOT.rglob("*.py")
        for name in imports_of(file)
        if name.split(".")[0] in ORDER
        and ORDER.index(name.split(".")[0]) > ORDER.index(room_of(file))
    ]
    assert climbs == []
