"""Model <-> one safetensors file: every tensor of its state, those under several names once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tenfold.network.identity import place_of, tensors_of, view_of


def write_weights(model: nn.Module, path: Path) -> None:
    """Views into larger tensors are written as what they show; a state's other things are left
    out."""
    once = {view_of(t): (name, t) for name, t in reversed(tensors_of(model).items())}
    held = {name: dense(t.detach()).cpu().clone().contiguous() for name, t in once.values()}
    save_file(held, path, metadata={"format": "pt"})


def stored_bytes(model: nn.Module) -> int:
    """Bytes of the distinct tensors of a model's state, without the file's header; of those that
    begin at one place the largest."""
    distinct: dict[int, int] = {}
    for tensor in tensors_of(model).values():
        place = place_of(tensor)
        distinct[place] = max(distinct.get(place, 0), tensor.numel() * tensor.element_size())
    return sum(distinct.values())


def read_weights(model: nn.Module, path: Path) -> None:
    """Into the model, all or nothing. Raises SafetensorError for another kind of file and
    ValueError, which says what does not fit, for the weights of another network."""
    fill(model, load_file(path))


def fill(model: nn.Module, found: dict[str, Tensor]) -> None:
    """The same from tensors by name."""
    state = tensors_of(model)
    misfit = next(misfits(found, state), None)
    if misfit:
        raise ValueError(misfit)
    unfold(model)
    laid_out = {name: as_laid_out(t, state[name]) for name, t in found.items()}
    model.load_state_dict(laid_out, strict=False)


def dense(tensor: Tensor) -> Tensor:
    """Sparse tensors as dense ones, which a file can hold."""
    return tensor if tensor.layout == torch.strided else tensor.to_dense()


def as_laid_out(tensor: Tensor, like: Tensor) -> Tensor:
    """A dense tensor in the layout of another."""
    return tensor if like.layout == torch.strided else tensor.to_sparse(layout=like.layout)


def unfold(model: nn.Module) -> None:
    """Expanded buffers, of which one number stands for many, get room to be written to."""
    for module in model.modules():
        for name, buffer in module._buffers.items():
            if buffer is not None and buffer.layout == torch.strided and 0 in buffer.stride():
                module._buffers[name] = buffer.clone(memory_format=torch.contiguous_format)


def misfits(found: dict[str, Tensor], state: dict[str, Tensor]) -> Iterator[str]:
    """What is wrong with the tensors found; of tensors under several names one will do."""
    written = {view_of(t) for name, t in state.items() if name in found}
    for name, wanted in state.items():
        if name in found:
            yield from differences(name, found[name], wanted)
        elif view_of(wanted) not in written:
            yield f"no {name}"
    yield from (f"an unknown {name}" for name in found if name not in state)


def differences(name: str, found: Tensor, wanted: Tensor) -> Iterator[str]:
    """Another shape, or numbers of another kind."""
    if found.shape != wanted.shape:
        yield f"{name} of shape {tuple(found.shape)} instead of {tuple(wanted.shape)}"
    if kind_of(found) != kind_of(wanted):
        yield f"{name} as {found.dtype} instead of {wanted.dtype}"


def kind_of(tensor: Tensor) -> tuple[bool, bool]:
    """Real, complex or whole; between the sizes of one kind weights are converted."""
    return tensor.is_floating_point(), tensor.is_complex()
