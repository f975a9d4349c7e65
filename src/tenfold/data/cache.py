"""Tensors that are dear to make, kept on disk under a hash of the model and the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.machine.cache import Kept, recall, remember
from tenfold.machine.tensors import in_order, pick
from tenfold.network.identity import digest, digest_of
from tenfold.network.inputs import leaves, mapped

VERSION = 3  # of the ways in which inputs are made: 2 took parts of one set


def cached(
    key: tuple[Any, ...], model: nn.Module, make: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """What ``make`` returns, from disk when it was made before for these weights.

    Made or read, tensors lie in memory alike, so that sums over them are the same to the last bit.
    """
    name, device = digest((VERSION, *key), model), next(model.parameters()).device
    found = recall(name)
    if found is not None:
        return {key: x.to(device) for key, x in found.tensors.items()}
    made = make()
    remember(name, Kept(made))
    return {key: in_order(x.cpu()).to(device) for key, x in made.items()}


def cached_batches(
    key: tuple[Any, ...], model: nn.Module, like: Any, make: Callable[[], Sequence[Any]]
) -> tuple[Any, ...]:
    """The same for batches that are nested as ``like`` is, on whose numbers they depend too."""
    if any(x.layout != torch.strided for x in leaves(like)):
        return tuple(make())

    def flat() -> dict[str, Tensor]:
        pairs = ((k, leaves(batch)) for k, batch in enumerate(make()))
        return {f"{k}.{at}": x for k, tensors in pairs for at, x in enumerate(tensors)}

    tensors = cached((*key, digest_of(like)), model, flat)
    places = sorted({int(name.split(".")[0]) for name in tensors})
    return tuple(filled(like, pick(tensors, f"{k}.")) for k in places)


def filled(like: Any, tensors: Mapping[str, Tensor]) -> Any:
    """A nested value like this one, with these tensors in their order."""
    left = iter(range(len(tensors)))
    return mapped(lambda _: tensors[str(next(left))], like)
