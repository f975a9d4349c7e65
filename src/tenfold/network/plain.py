"""A network or an input as they come -> the same without wrappers and inference tensors."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from torch import nn

from tenfold.network.copying import copy_of
from tenfold.network.inputs import mapped, plain_tensor

# The attribute that holds the network, by the class of the wrapper.
INSIDE = {
    "OptimizedModule": "_orig_mod",  # what torch.compile returns
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "AveragedModel": "module",
}


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
