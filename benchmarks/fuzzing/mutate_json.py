"""JSON -> damaged JSON: fields that go, come twice, change their type or their size."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from random import Random
from typing import Any, TypeAlias

Place: TypeAlias = "tuple[Any, Any]"  # a list or a mapping, and the index or key of one value in it

NUMBERS = (0, -1, 1, 2, 7, 0.5, -0.0, 1e-320, 1e308, -1e308, 2**31, 2**53, 2**63, 10**30, 10**400)
ODD = (float("nan"), float("inf"), -float("inf"))
TEXTS = ("", " ", "\0", "a\nb", "\ud800", "é😀", "x" * 5000, "../../etc/passwd", "/", "none", "0.5")
NAMES = ("dense", "svd", "tucker", "cp", "tt", "spatial", "params", "macs", "stem.0", "classes")
DEEP = 50_000


class Raw(str):
    """Text that stands in the file as it is."""


def values(random: Random) -> Any:
    """A value of any type, often a bad one."""
    drawn: tuple[Any, ...] = (
        random.choice(NUMBERS),
        random.choice(ODD),
        random.choice(TEXTS),
        random.choice(NAMES),
        random.choice((None, True, False)),
        random.choice(([], {}, [[]], [None], {"": None}, [1, 2, 3], {"a": {"b": {}}})),
        random.choice(
            (Raw("[" * DEEP), Raw("[" * DEEP + "]" * DEEP), Raw("1" * 5000), Raw("1e999"))
        ),
    )
    return random.choices(drawn, (6, 2, 5, 3, 5, 5, 1))[0]


def places(value: Any) -> Iterator[Place]:
    """Every value inside, with what holds it."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield value, key
        if isinstance(item, (dict, list)):
            yield from places(item)


def put(random: Random, holder: Any, key: Any) -> None:
    """Another value in its place."""
    holder[key] = values(random)


def drop(random: Random, holder: Any, key: Any) -> None:
    """The value goes."""
    del holder[key]


def rescale(random: Random, holder: Any, key: Any) -> None:
    """A number of another size or sign; another value in place of anything else."""
    if isinstance(holder[key], bool) or not isinstance(holder[key], (int, float)):
        return put(random, holder, key)
    holder[key] = random.choice((-1, 0, 0.5, 2, 1000, 10**12, 1e-12)) * holder[key]
    return None


def rename(random: Random, holder: Any, key: Any) -> None:
    """The same value under another name, or once more in a list."""
    if isinstance(holder, list):
        holder.insert(random.randrange(len(holder) + 1), deepcopy(holder[key]))
    else:
        name = random.choice((*TEXTS, *NAMES, f"{key}_", str(key).upper()))
        holder[name] = holder.pop(key)


def exchange(random: Random, holder: Any, key: Any) -> None:
    """Two values change places."""
    others = list(range(len(holder))) if isinstance(holder, list) else list(holder)
    other = random.choice(others)
    holder[key], holder[other] = holder[other], holder[key]


def wrap(random: Random, holder: Any, key: Any) -> None:
    """The value inside a list, a mapping or a text."""
    value = holder[key]
    holder[key] = random.choice(([value], {"value": value}, str(value)[:200], [value, value]))


CHANGES: tuple[Callable[[Random, Any, Any], None], ...] = (
    put,
    drop,
    rescale,
    rename,
    exchange,
    wrap,
)
WEIGHTS = (5, 3, 3, 2, 1, 2)


def change(value: Any, random: Random, times: int) -> Any:
    """A copy of a JSON value with some of its values changed."""
    changed = deepcopy(value)
    for _ in range(times):
        if random.random() < 0.01 or not isinstance(changed, (dict, list)) or not changed:
            return values(random)
        holder, key = random.choice(list(places(changed)))
        random.choices(CHANGES, WEIGHTS)[0](random, holder, key)
    return changed


def mutate_json(content: bytes, random: Random) -> bytes:
    """A JSON file with one to three changes; now and then with a field that is there twice."""
    text = write(change(parsed(content), random, random.choice((1, 1, 1, 2, 3))))
    if random.random() < 0.03:
        text = text.replace("{", '{"tenfold_plan": 1, "x": 1, "x": 2, ', random.choice((1, 2)))
    return text.encode("utf-8", "surrogatepass")


@cache
def parsed(content: bytes) -> Any:
    """The value in a real file."""
    return json.loads(content)


def write(value: Any) -> str:
    """JSON text, in which what is raw stands as it is; at times as people indent it."""
    raws: list[str] = []

    def marked(item: Any) -> Any:
        if isinstance(item, Raw):
            raws.append(item)
            return f"<raw {len(raws) - 1}>"
        if isinstance(item, dict):
            return {name: marked(x) for name, x in item.items()}
        return [marked(x) for x in item] if isinstance(item, list) else item

    text = json.dumps(marked(value))
    for number, raw in enumerate(raws):
        text = text.replace(f'"<raw {number}>"', raw)
    return text
