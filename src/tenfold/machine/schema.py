"""Versions of what tenfold writes: data of an older version is brought up to the newest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from tenfold.errors import bad_value
from tenfold.machine.from_json import shown

Step: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


def upgrade(data: Mapping[str, Any], key: str, steps: Sequence[Step]) -> dict[str, Any] | None:
    """``data`` without its version under ``key``, as the newest version has it.

    ``steps[k]`` leads from version k + 1 to k + 2; data without the key are of version 1. Returns
    None for a version that is not known. Raises TypeError for data that are no mapping.
    """
    if not isinstance(data, Mapping):
        raise TypeError(f"{shown(data)} is no mapping")
    version = data.get(key, 1)
    if isinstance(version, bool) or not isinstance(version, int):
        return None
    if not 1 <= version <= len(steps) + 1:
        return None
    body = {name: value for name, value in data.items() if name != key}
    for step in steps[version - 1 :]:
        body = step(body)
    return body


def upgraded(data: Mapping[str, Any], key: str, steps: Sequence[Step], what: str) -> dict[str, Any]:
    """What ``upgrade`` returns. Raises InputError for a version that is not known."""
    body = upgrade(data, key, steps)
    if body is None:
        raise bad_value(
            f"{what} must say {key}: {len(steps) + 1} or less",
            shown(data[key]),
            "install a newer tenfold, or write it again",
        )
    return body
