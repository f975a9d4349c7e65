"""An int8 ONNX file without what its runtime does not need: in a small network names weigh."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def compact(path: Path) -> None:
    """Short names inside, none for nodes, and no zero points where they are zero anyway; inputs
    and outputs keep their names."""
    import onnx

    model = onnx.load(str(path))
    graph = model.graph
    drop_zero_points(graph)
    rename(graph, {x.name for x in (*graph.input, *graph.output)})
    domains = {node.domain for node in graph.node}
    for version in [x for x in model.opset_import if x.domain not in domains]:
        model.opset_import.remove(version)
    onnx.save(model, str(path))


def drop_zero_points(graph: Any) -> None:
    """Of weights and biases, which are symmetric: a missing zero point is zero by the standard."""
    from onnx import TensorProto, numpy_helper

    stored = {x.name: x for x in graph.initializer}
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or len(node.input) < 3:
            continue
        weight, zero = stored.get(node.input[0]), stored.get(node.input[2])
        signed = weight is not None and weight.data_type in (TensorProto.INT8, TensorProto.INT32)
        if signed and zero is not None and not numpy_helper.to_array(zero).any():
            del node.input[2]
    used = {name for node in graph.node for name in node.input}
    for unused in [x for x in graph.initializer if x.name not in used]:
        graph.initializer.remove(unused)


def rename(graph: Any, kept: set[str]) -> None:
    """Every tensor but the kept ones by a number."""
    short: dict[str, str] = {}

    def name_of(name: str) -> str:
        return name if not name or name in kept else short.setdefault(name, f"{len(short):x}_")

    for weight in graph.initializer:
        weight.name = name_of(weight.name)
    for node in graph.node:
        node.name = ""
        node.input[:] = [name_of(name) for name in node.input]
        node.output[:] = [name_of(name) for name in node.output]
