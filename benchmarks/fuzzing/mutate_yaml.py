"""YAML -> damaged YAML: the values of JSON, and what YAML alone has: anchors, tags, merges."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import yaml

from benchmarks.fuzzing.mutate_bytes import mutate_bytes
from benchmarks.fuzzing.mutate_json import change, write

BOMB = "\n".join(
    ["a0: &a0 [x, x]", *(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 30))]
)
MERGES = "\n".join(
    [
        "b0: &b0 {x: 1}",
        *(f"b{k}: &b{k} {{<<: [{', '.join([f'*b{k - 1}'] * 9)}]}}" for k in range(1, 30)),
    ]
)
TEXTS = (
    "!!python/object/apply:os.system ['true']",
    "!!int ''",
    "!!float x",
    "!!bool maybe",
    "!!timestamp x",
    "2001-99-99",
    "2001-12-14t21:59:43.10-05:00",
    "!!binary x",
    "!!set {a, b}",
    "!!omap [a: 1]",
    "1:99:99",
    "0x_",
    ".nan",
    "-.inf",
    "1e400",
    "9" * 5000,
    '"\\uD800"',
    "? [a]\n: b",
    "&a [*a]",
    "&a {a: *a}",
    "*nothing",
    "[" * 3000,
    "- " * 2000,
    "|\n  text\n  more",
    "",
)


@cache
def parsed(content: bytes) -> Any:
    """The value in a real file."""
    return yaml.safe_load(content)


def mutate_yaml(content: bytes, random: Random) -> bytes:
    """One to three changes of the values, a text of YAML's own for one, or any bytes changed."""
    kind = random.random()
    if kind < 0.3:
        return mutate_bytes(content, random)
    if kind < 0.35:
        return content + b"\n" + random.choice((BOMB, MERGES, f"out: {BOMB[:99]}")).encode()
    lines = content.decode().splitlines()
    if kind < 0.65:
        number = random.randrange(len(lines))
        name = lines[number].partition(":")[0] or "out"
        lines[number] = f"{name}: {random.choice(TEXTS)}"
        return "\n".join(lines).encode("utf-8", "surrogatepass")
    changed = change(parsed(content), random, random.choice((1, 1, 2, 3)))
    return write(changed).encode("utf-8", "surrogatepass")
