"""A JSON or YAML file -> its plain values, with nothing in it that other files could not hold."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import yaml

from tenfold.errors import bad_value, in_a_line

DEEP = 20  # no more brackets inside one another: a few hundred take seconds
LARGEST = 2**63  # whole numbers beyond it are none that tenfold counts
# What the readers trip over, in files that were damaged or made to harm.
UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    yaml.YAMLError,
)


def read_json(path: str | Path, what: str, way_out: str = "write it again") -> Any:
    """The value in a JSON file; NaN and infinity are None. Raises InputError, where ``what`` begins
    the sentence, for another file, a name that comes twice, or a number that is far too large."""
    try:
        text = Path(path).read_text("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=once,
            parse_constant=lambda name: None,
            parse_float=finite,
            parse_int=counted,
        )
        return writable(value) if "\\u" in text else value
    except UNREADABLE as error:
        found = f"{path}: {in_a_line(error)}"
        raise bad_value(f"{what} must be a JSON file", found, way_out) from error


def read_yaml(path: str | Path, what: str) -> Any:
    """The value in a YAML file without anchors, by which a few lines can stand for more than memory
    holds. Raises InputError, where ``what`` begins the sentence, for another file."""
    try:
        return writable(yaml.load(Path(path).read_text("utf-8"), Loader=Plain))
    except UNREADABLE as error:
        found = f"{path}: {in_a_line(error)}"
        raise bad_value(f"{what} must be a YAML file", found, "check it") from error


class Plain(yaml.SafeLoader):
    """Plain values alone, each written where it stands, and every name once."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("an alias, *name, in place of a value")
        return super().compose_node(parent, index)

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:
        if self.flow_level > DEEP:
            raise ValueError(f"brackets more than {DEEP} deep")
        super().fetch_flow_collection_start(TokenClass)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        once([(key.value, None) for key, _ in node.value])
        return super().construct_mapping(node, deep=deep)


def once(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    """The mapping, in which no name may come twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(x for x in names if names.count(x) > 1)!r} twice")
    return found


def finite(text: str) -> float:
    """A number that is not so large that it becomes infinity."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:20]}")
    return number


def counted(text: str) -> int:
    """A whole number of a size that is met."""
    number = int(text)
    if abs(number) > LARGEST:
        raise ValueError(f"the number {text[:20]}")
    return number


def writable(value: Any) -> Any:
    """The value, if a file can hold its texts; half of a character, as ``\\ud800``, none can."""
    json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
    return value
