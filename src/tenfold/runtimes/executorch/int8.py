"""ExecuTorch: torchao's PT2E quantisation for XNNPACK, a scale an output channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tenfold.network.call import call
from tenfold.runtimes._base import Int8
from tenfold.runtimes.executorch.lower import lower
from tenfold.runtimes.talk import not_exported, quiet
from tenfold.runtimes.trace import trace


@dataclass(frozen=True)
class State:
    """The model, and the example whose shape the file is for."""

    model: nn.Module
    example: Any


class ExecuTorchInt8(Int8):
    """Symmetric weights, ranges of activations by their extremes."""

    def prepare(self, model: nn.Module, example: Any, folder: Path) -> State:
        """Nothing yet: the graph is prepared for each file."""
        return State(model, example)

    def variants(self, state: State) -> tuple[str, ...]:
        """Ranges by the extremes alone."""
        return ("minmax",)

    def write(self, state: State, inputs: Sequence[Any], variant: str, path: Path) -> None:
        """Observed on the inputs, converted, lowered. Raises InputError."""
        program = trace(state.model, state.example)
        try:
            with quiet(), torch.no_grad():
                converted = observed(program.module(), inputs)
        except Exception as error:  # PT2E has errors of several libraries
            raise not_exported(error, "torchao PT2E") from error
        path.write_bytes(lower(converted, state.example))


def observed(graph: nn.Module, inputs: Sequence[Any]) -> nn.Module:
    """The graph with quantisation in it, its ranges seen on the inputs."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e import allow_exported_model_train_eval
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    wanted = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(graph, wanted)
    for batch in inputs:
        call(prepared, batch)
    return allow_exported_model_train_eval(convert_pt2e(prepared))  # type: ignore[no-any-return]
