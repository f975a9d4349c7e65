"""What is passed for a network: refused in a sentence that says what it is."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import torch
from torch import nn

from tenfold.errors import bad_value

QUANTISED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized")
SOURCE = "pass the module that it was made from"


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
