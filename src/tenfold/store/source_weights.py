"""Weights of a checkpoint into a model, all of them or none, freed from what wraps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.errors import bad_value
from tenfold.network.identity import tensors_of, view_of
from tenfold.network.weights import fill, misfits
from tenfold.store.read_state import read_state

COUNTED = "num_batches_tracked"  # older checkpoints lack it; no forward pass in evaluation reads it
AVERAGED = "n_averaged"  # how many AveragedModel has taken in
DEEP = 3  # wrappers inside one another


def load_weights(model: nn.Module, path: str | Path) -> tuple[str, ...]:
    """Load strictly; returns sentences on what was taken off to make them fit.

    A mapping around them, such as ``state_dict``, and prefixes that all names have, such as
    ``module.``, are taken off where everything fits then. Raises InputError for a file that cannot
    be read, or a misfit, by its names.
    """
    held, own = read_state(path), tensors_of(model)
    states = dict(unwrapped(held))
    for where, state in states.items():
        for prefix, bare in without_prefixes(state):
            weights = completed(bare, own)
            if next(misfits(weights, own), None) is None and not split(weights, own):
                fill(model, weights)
                return tuple(told(path, where, prefix))
    closest = min(states.values(), key=lambda state: len(own.keys() ^ state.keys()), default={})
    raise bad_value(
        "Weights must fit the model",
        f"{misfit(completed(closest, own), own)} in {path}",
        "pass the weights of this very network",
    )


def unwrapped(
    held: Any, where: str = "", depth: int = 0
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every mapping of tensors in a checkpoint, by the path to it, the outermost first."""
    if not isinstance(held, Mapping) or depth > DEEP:
        return
    tensors = {str(name): x for name, x in held.items() if isinstance(x, Tensor)}
    if tensors:
        yield where, tensors
    for name, item in held.items():
        if isinstance(item, Mapping):
            yield from unwrapped(item, f"{where}.{name}" if where else str(name), depth + 1)


def without_prefixes(state: dict[str, Tensor]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The state as it is, and with one more first part of its names off, as long as all have it."""
    prefix = ""
    yield prefix, state
    for _ in range(DEEP):
        state = {name: x for name, x in state.items() if name != AVERAGED}
        first = {name.partition(".")[0] for name in state}
        if len(first) != 1 or any("." not in name for name in state):
            return
        prefix += f"{first.pop()}."
        state = {name.partition(".")[2]: x for name, x in state.items()}
        yield prefix, state


def completed(state: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With the model's own counts of batches where there are none."""
    lacking = (name for name in own if name.endswith(COUNTED) and name not in state)
    return {**state, **{name: own[name] for name in lacking}}


def split(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str | None:
    """Two names that the model ties, under which the file has different numbers."""
    first: dict[Any, str] = {}
    for name in own:
        if name in state:
            other = first.setdefault(view_of(own[name]), name)
            same = state[other].shape == state[name].shape
            if other != name and not (same and torch.equal(state[other], state[name])):
                return f"{other} and {name}, which the model ties, with different numbers"
    return None


def misfit(state: dict[str, Tensor], own: dict[str, Tensor]) -> str:
    """The first name that is missing, that is unknown and that differs, and how many there are."""
    all_misfits = list(misfits(state, own))
    missing, unknown = ([x for x in all_misfits if x.startswith(k)] for k in ("no ", "an unknown "))
    others = [x for x in all_misfits if x not in (*missing, *unknown)]
    counts = f" ({len(missing)} missing and {len(unknown)} unknown)"
    named = [group[0] for group in (others, missing, unknown) if group]
    return " and ".join(named) + counts * (len(all_misfits) > 1) or str(split(state, own))


def told(path: str | Path, where: str, prefix: str) -> Iterator[str]:
    """What was taken off."""
    if where:
        yield f"Took the weights under {where!r} in {path}."
    if prefix:
        yield f"Took the prefix {prefix!r} off the names in {path}."
