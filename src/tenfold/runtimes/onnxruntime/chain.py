"""Stock layers in a row -> ONNX, node by node: milliseconds where tracing takes seconds.

The graph is the one that ``write_onnx`` makes of such layers: the same operators in the same
order, opset and version of the file, the same sizes open. Hundreds of single layers that a latency
table looks at are written so; every whole network is traced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from tenfold.network.arrays import arrays_of
from tenfold.runtimes.chain import open_shape, weights_of
from tenfold.runtimes.onnxruntime.write import IR_VERSION, OPSET

Array = np.ndarray[Any, Any]
Hold = Callable[[str, Array], tuple[list[Any], Any]]  # nodes that make a weight, and what is stored


def chain_to_onnx(layers: Sequence[nn.Module], example: Tensor, hold: Hold) -> bytes:
    """The bytes of a file; ``hold`` says how its weights are held."""
    from onnx import helper

    (array,) = arrays_of(example)
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    nodes: list[Any] = []
    stored: list[Any] = []
    value = "input"
    for index, layer in enumerate(layers):
        made, weights, value = nodes_of(layer, index, value, example.ndim)
        for name, tensor in weights.items():
            first, held = hold(name, tensor.float().numpy().astype(array.dtype))
            nodes += first
            stored.append(held)
        nodes += made
    nodes[-1].output[0] = "output"
    sizes = enumerate(open_shape(layers, example))
    shape = [f"size{axis}" if size is None else size for axis, size in sizes]
    ends = [
        helper.make_tensor_value_info("input", kind, shape),
        helper.make_tensor_value_info("output", kind, None),
    ]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], stored)
    opset = helper.make_operatorsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
    return bytes(model.SerializeToString())


def stored(name: str, array: Array) -> tuple[list[Any], Any]:
    """A weight in the file."""
    from onnx import numpy_helper

    return [], numpy_helper.from_array(array, name)


def filled(name: str, array: Array) -> tuple[list[Any], Any]:
    """A constant weight that the runtime makes when it loads the file, of which only the shape is
    stored: a few hundred bytes a layer."""
    from onnx import helper, numpy_helper

    shape = numpy_helper.from_array(np.array(array.shape, np.int64), f"{name}_shape")
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    fill = helper.make_tensor("fill", kind, [1], [0.01])
    return [helper.make_node("ConstantOfShape", [shape.name], [name], value=fill)], shape


def nodes_of(
    layer: nn.Module, index: int, value: str, axes: int
) -> tuple[list[Any], dict[str, Tensor], str]:
    """Nodes of one layer on a value of so many axes, its named weights, the name of its output."""
    from onnx import helper

    weight, bias = weights_of(layer)
    named, out = {f"weight{index}": weight}, f"value{index}"
    if bias is not None:
        named[f"bias{index}"] = bias
    if isinstance(layer, nn.Linear):
        if axes == 2:
            return [helper.make_node("Gemm", [value, *named], [out], transB=1)], named, out
        return *multiplied(value, named, out), out
    assert isinstance(layer, (nn.Conv1d, nn.Conv2d))
    assert isinstance(layer.padding, tuple)
    node = helper.make_node(
        "Conv",
        [value, *named],
        [out],
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.stride),
        pads=[*layer.padding, *layer.padding],
        dilations=list(layer.dilation),
        group=layer.groups,
    )
    return [node], named, out


def multiplied(
    value: str, named: dict[str, Tensor], out: str
) -> tuple[list[Any], dict[str, Tensor]]:
    """A linear layer on more than two axes: the weight the other way round, the bias added."""
    from onnx import helper

    (weight, *bias) = named
    named = {**named, weight: named[weight].T.contiguous()}
    product = f"{out}_product" if bias else out
    nodes = [helper.make_node("MatMul", [value, weight], [product])]
    if bias:
        nodes.append(helper.make_node("Add", [product, *bias], [out]))
    return nodes, named
