"""A module as ONNX: chains of stock layers are written node by node, all else is exported."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenfold.errors import as_bad_value
from tenfold.network.arrays import flat_arrays

OPSET = 18
IR_VERSION = 10  # of the file; older runtimes refuse newer ones


def to_onnx(model: nn.Module, example: Any) -> bytes:
    """The model in evaluation mode as ONNX bytes for inputs of the example's shape.

    Raises InputError, with the exporter's first line, when the model cannot be exported.
    """
    links = chain_of(model)
    if links is not None and isinstance(example, Tensor):
        return write_chain(links, example)
    return export(model, example)


def chain_of(model: nn.Module) -> list[nn.Module] | None:
    """The stock layers of a plain chain with zero padding, or None when it is anything else."""
    layers = list(model) if type(model) is nn.Sequential else [model]
    plain = all(
        type(layer) is nn.Linear
        or (
            type(layer) in (nn.Conv1d, nn.Conv2d)
            and layer.padding_mode == "zeros"
            and not isinstance(layer.padding, str)
        )
        for layer in layers
    )
    return layers if layers and plain else None


def write_light(model: nn.Module, example: Tensor) -> bytes:
    """A chain whose weights are made by the runtime when it loads: a few hundred bytes."""
    links = chain_of(model)
    return export(model, example) if links is None else write_chain(links, example, light=True)


def write_chain(layers: list[nn.Module], example: Tensor, light: bool = False) -> bytes:
    """Conv and MatMul nodes in a row: milliseconds where a tracing exporter takes seconds."""
    from onnx import helper, numpy_helper

    dtype = flat_arrays(example)[0].dtype
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    nodes: list[Any] = []
    weights: list[Any] = []
    value = "input"
    for index, layer in enumerate(layers):
        made, held, value = _node(layer, index, value)
        for name, tensor in held:
            array = tensor.detach().float().numpy().astype(dtype)
            if light:
                shape = numpy_helper.from_array(np.array(array.shape, np.int64), f"{name}_shape")
                fill = helper.make_tensor("fill", kind, [1], [0.01])
                nodes.append(helper.make_node("ConstantOfShape", [shape.name], [name], value=fill))
                weights.append(shape)
            else:
                weights.append(numpy_helper.from_array(array, name))
        nodes += made
    nodes[-1].output[0] = "output"
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("input", kind, list(example.shape))],
        [helper.make_tensor_value_info("output", kind, None)],
        weights,
    )
    opset = helper.make_operatorsetid("", OPSET)
    return helper.make_model(
        graph, opset_imports=[opset], ir_version=IR_VERSION
    ).SerializeToString()


def _node(
    layer: nn.Module, index: int, value: str
) -> tuple[list[Any], list[tuple[str, Tensor]], str]:
    """Nodes of one layer, its named weights, and the name of its output."""
    from onnx import helper

    weight, bias, out = layer.weight, layer.bias, f"value{index}"
    assert isinstance(weight, Tensor)
    names, held = [f"weight{index}"], [(f"weight{index}", weight)]
    if isinstance(bias, Tensor):
        names.append(f"bias{index}")
        held.append((names[1], bias))
    if isinstance(layer, nn.Linear):
        held[0] = (names[0], weight.T.contiguous())
        nodes = [helper.make_node("MatMul", [value, names[0]], [out])]
        if len(names) > 1:
            nodes.append(helper.make_node("Add", [out, names[1]], [f"{out}b"]))
            out = f"{out}b"
        return nodes, held, out
    assert isinstance(layer, (nn.Conv1d, nn.Conv2d))
    assert isinstance(layer.padding, tuple)
    node = helper.make_node(
        "Conv",
        [value, *names],
        [out],
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.stride),
        pads=[*layer.padding, *layer.padding],
        dilations=list(layer.dilation),
        group=layer.groups,
    )
    return [node], held, out


def export(model: nn.Module, example: Any) -> bytes:
    """Whatever torch's exporter makes of the model."""
    arguments, keywords = (), {}
    if isinstance(example, Mapping):
        keywords = dict(example)
    else:
        arguments = tuple(example) if isinstance(example, (tuple, list)) else (example,)
    rule = "A model must export to ONNX to run there"
    with quiet(), as_bad_value(rule, "time it on the engine eager"):
        program = torch.onnx.export(
            model, arguments, kwargs=keywords, dynamo=True, opset_version=OPSET, verbose=False
        )
    assert program is not None
    return program.model_proto.SerializeToString()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what exporters print, warn and log: none of it is an answer to the caller."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
