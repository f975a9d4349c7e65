"""Stock layers in a row -> OpenVINO model, operation by operation: milliseconds where tracing
takes seconds.

The graph is the one that OpenVINO's converter makes of such layers: the same operations in the
same order, the same sizes open. Single layers that a latency table looks at are written so; every
whole network is traced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from tenfold.network.arrays import arrays_of
from tenfold.runtimes.chain import open_shape, weights_of


def chain_to_ir(layers: Sequence[nn.Module], example: Tensor) -> Any:
    """The ``openvino.Model``."""
    import openvino
    from openvino import opset1

    (array,) = arrays_of(example)
    shape = openvino.PartialShape([size or -1 for size in open_shape(layers, example)])
    start = value = opset1.parameter(shape, openvino.Type(array.dtype))
    for layer in layers:
        value = operation(layer, value, array.dtype, example.ndim)
    return openvino.Model([value], [start], "chain")


def operation(layer: nn.Module, value: Any, dtype: Any, axes: int) -> Any:
    """One layer on a value of so many axes."""
    from openvino import opset1

    weight, bias = weights_of(layer)
    if isinstance(layer, nn.Linear):
        value = opset1.matmul(value, constant(weight, dtype), False, True)
        wide = (1,) * (axes - 1) + (-1,)
    else:
        value = convolution(layer, value, weight, dtype)
        wide = (1, -1) + (1,) * (axes - 2)
    return value if bias is None else opset1.add(value, constant(bias.reshape(wide), dtype))


def convolution(layer: Any, value: Any, weight: Tensor, dtype: Any) -> Any:
    """A convolution, its groups as a mode of the weight of their own."""
    from openvino import opset1

    padding = list(layer.padding)
    where = (list(layer.stride), padding, padding, list(layer.dilation))
    if layer.groups == 1:
        return opset1.convolution(value, constant(weight, dtype), *where)
    grouped = weight.reshape(layer.groups, -1, *weight.shape[1:])
    return opset1.group_convolution(value, constant(grouped, dtype), *where)


def constant(tensor: Tensor, dtype: Any) -> Any:
    """A weight in the file."""
    from openvino import opset1

    return opset1.constant(tensor.float().numpy().astype(dtype))
