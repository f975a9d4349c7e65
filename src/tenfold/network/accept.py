"""A network or an input as they are passed: refused in a sentence that says what it is, or the same
without wrappers and inference tensors."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from os import PathLike
from typing import Any

import torch
from torch import nn

from tenfold.errors import bad_value
from tenfold.network.copying import copy_of
from tenfold.network.inputs import mapped, plain_tensor

QUANTISED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized")
SOURCE = "pass the module that it was made from"
# The attribute that holds the network, by the class of the wrapper.
INSIDE = {
    "OptimizedModule": "_orig_mod",  # what torch.compile returns
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "AveragedModel": "module",
}


def check_model(model: Any) -> None:
    """Raises InputError unless this is a module with weights of its own to read."""
    trouble = not_a_module(model) if not isinstance(model, nn.Module) else unreadable(model)
    if trouble is not None:
        found, way_out = trouble
        raise bad_value("A model must be an nn.Module with its weights", found, way_out)


def not_a_module(model: Any) -> tuple[str, str]:
    """What it is, and the way out."""
    if isinstance(model, type):
        return f"the class {model.__name__}", f"pass an instance, as {model.__name__}()"
    if isinstance(model, Mapping):
        return (
            "a state dict or another mapping",
            "build the network and load it with load_state_dict",
        )
    if isinstance(model, str | PathLike):
        return f"the path {str(model)!r}", "build the network and load its weights first"
    if isinstance(model, torch.export.ExportedProgram):
        return "an ExportedProgram", SOURCE
    return f"a value of type {type(model).__name__}", "pass the network itself"


def unreadable(model: nn.Module) -> tuple[str, str] | None:
    """What keeps the weights of a module from being read, and the way out; or None."""
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            return f"{name or 'it'} in TorchScript", SOURCE
        if type(module).__module__.startswith(QUANTISED):
            return f"{name or 'it'} quantised", "pass the network as it was before"
    for name, parameter in model.named_parameters():
        if parameter.is_meta:
            return f"{name} on the meta device, without numbers", "load a checkpoint first"
    return None


def unwrapped(model: nn.Module) -> nn.Module:
    """The network inside torch.compile, DataParallel, DistributedDataParallel or AveragedModel."""
    while type(model).__name__ in INSIDE and type(model).__module__.startswith("torch."):
        model = getattr(model, INSIDE[type(model).__name__])
    return model


def out_of_inference(model: nn.Module) -> nn.Module:
    """The model itself; a copy where its tensors were made in ``torch.inference_mode``, for these
    can take no part in gradients."""
    held = chain(model.parameters(), model.buffers())
    if not any(tensor.is_inference() for tensor in held):
        return model
    with torch.inference_mode(False), torch.no_grad():
        return copy_of(model)


def plain_inputs(example: Any) -> Any:
    """The example with copies of tensors that were made in ``torch.inference_mode``, and without
    classes that add nothing to what tensors do, such as those of images."""
    with torch.inference_mode(False):
        return mapped(lambda x: plain_tensor(x.clone() if x.is_inference() else x), example)
