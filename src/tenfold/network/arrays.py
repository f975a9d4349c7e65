"""An example's tensors as arrays, and the outputs of a runtime as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.errors import bad_value
from tenfold.network.inputs import leaves
from tenfold.network.names import walk


def arrays_of(example: Any) -> list[np.ndarray[Any, Any]]:
    """The tensors of an example as contiguous arrays. Raises InputError for a type without one."""
    tensors = [tensor.detach().cpu().contiguous() for tensor in leaves(example)]
    for tensor in tensors:
        if tensor.dtype == torch.bfloat16:
            raise bad_value(
                "Inputs of this runtime must be of a type that arrays have",
                "bfloat16",
                "use the engine eager, or another type",
            )
    return [tensor.numpy() for tensor in tensors]


def tensors_in(outputs: Any) -> list[Tensor]:
    """What a model or a runtime puts out, tensors in any nesting or a list of arrays, as copies
    on the CPU."""
    if isinstance(outputs, list):
        outputs = [torch.from_numpy(x) if isinstance(x, np.ndarray) else x for x in outputs]
    return [tensor.detach().cpu().clone() for _, tensor in walk(outputs)]
