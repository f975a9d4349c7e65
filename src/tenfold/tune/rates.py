"""Which parameters decay."""

from __future__ import annotations

from typing import Any

from torch import nn


def groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and BatchNorm parameters do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
