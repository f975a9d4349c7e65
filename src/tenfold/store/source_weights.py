"""Weights from a safetensors file into a model, all of them or none."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from torch import nn

from tenfold.errors import bad_value
from tenfold.network.weights import read_weights


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Load strictly. Raises InputError for a missing file, another format, or a misfit."""
    file = Path(path)
    if not file.is_file():
        raise bad_value("A weights file must exist", f"no {file}", "check the path")
    try:
        read_weights(model, file)
    except SafetensorError as error:
        raise bad_value(
            "Weights must be a safetensors file",
            f"{file} ({error})",
            "convert with safetensors.torch.save_model(model, 'weights.safetensors')",
        ) from error
    except ValueError as error:
        raise bad_value(
            "Weights must fit the model",
            f"{error} in {file}",
            "pass the weights of this very network",
        ) from error
