"""Weights from a safetensors file into a model, all of them or none."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_model
from torch import nn

from tenfold.errors import bad_value


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Load strictly. Raises InputError for a missing file, another format, or a misfit."""
    file = Path(path)
    if not file.is_file():
        raise bad_value("A weights file must exist", f"no {file}", "check the path")
    try:
        load_model(model, str(file), strict=True)
    except SafetensorError as error:
        raise bad_value(
            "Weights must be a safetensors file", f"{file} ({error})",
            "convert with safetensors.torch.save_model(model, 'weights.safetensors')",
        ) from error  # fmt: skip
    except RuntimeError as error:
        raise bad_value(
            "Weights must fit the model", f"{_summary(error)} in {file}",
            "pass the weights of this very network",
        ) from error  # fmt: skip


def _summary(error: RuntimeError) -> str:
    """The first complaint of torch's long list."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[1] if len(lines) > 1 else lines[0]).rstrip(".:")
