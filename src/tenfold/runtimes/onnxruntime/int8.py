"""ONNX Runtime's static quantisation: QDQ, a scale an output channel, uint8 between layers.

The middles of CP are depthwise: each channel has nine weights and a range of its own, so one
scale for all of them would lose the small ones (Krishnamoorthi 2018, section 3.1.2). Where even
a scale a channel costs too much, a variant leaves depthwise layers in float.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from tenfold.network.arrays import arrays_of
from tenfold.network.names import input_names
from tenfold.runtimes._base import Int8
from tenfold.runtimes.onnxruntime.compact import compact
from tenfold.runtimes.onnxruntime.write import strip, write_onnx
from tenfold.runtimes.talk import quiet

SHARES = {"minmax": 100.0, "percentile 99.999": 99.999, "percentile 99.99": 99.99}
FLOAT = ", depthwise in float"


@dataclass(frozen=True)
class State:
    """The float file with folded constants and known shapes, its inputs, its depthwise nodes."""

    file: Path
    inputs: tuple[str, ...]
    depthwise: tuple[str, ...]


class OnnxInt8(Int8):
    """A variant is a way to choose the ranges of activations, with depthwise layers or without."""

    def prepare(self, model: nn.Module, example: Any, folder: Path) -> State:
        """The float file, with constants folded and shapes inferred."""
        from onnxruntime.quantization.shape_inference import quant_pre_process

        plain, file = folder / "plain.onnx", folder / "prepared.onnx"
        write_onnx(model, example, plain, sizes=False)
        with quiet():
            # Shapes are in the file already; the symbolic pass fails on open batches.
            quant_pre_process(str(plain), str(file), skip_symbolic_shape=True)
        return State(file, tuple(input_names(model, example)), tuple(depthwise(file)))

    def variants(self, state: State) -> tuple[str, ...]:
        """Each way to choose ranges; again with depthwise layers in float where there are some."""
        endings = ("", FLOAT) if state.depthwise else ("",)
        return tuple(f"{method}{ending}" for ending in endings for method in SHARES)

    def write(self, state: State, inputs: Sequence[Any], variant: str, path: Path) -> None:
        """QDQ nodes, weights by output channel in int8, activations in uint8."""
        from onnxruntime.quantization import (
            CalibrationMethod,
            QuantFormat,
            QuantType,
            quantize_static,
        )

        share = SHARES[variant.removesuffix(FLOAT)]
        method = CalibrationMethod.MinMax if share == 100 else CalibrationMethod.Percentile
        with quiet():
            quantize_static(
                str(state.file),
                str(path),
                reader(state.inputs, inputs),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                calibrate_method=method,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                extra_options={"CalibPercentile": share},
                nodes_to_exclude=list(state.depthwise) if variant.endswith(FLOAT) else [],
            )
        strip(path)
        compact(path)


def depthwise(file: Path) -> Iterator[str]:
    """Names of convolutions in groups."""
    import onnx

    for node in onnx.load(str(file)).graph.node:
        if any(each.name == "group" and each.i > 1 for each in node.attribute):
            yield node.name


def reader(inputs: Sequence[str], batches: Sequence[Any]) -> Any:
    """Batches in the form that ONNX Runtime calibrates on."""
    from onnxruntime.quantization import CalibrationDataReader

    feeds = iter([dict(zip(inputs, arrays_of(batch))) for batch in batches])

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> Any:
            return next(feeds, None)

    return Reader()
