"""Which parameters learn, and which of them decay."""

from __future__ import annotations

from typing import Any

from torch import nn

from tenfold.training.distill import replaced_layers


def let_learn(student: nn.Module, teacher: nn.Module) -> None:
    """Factors learn, in place, even where the layer that they replace was frozen; of a network
    that is frozen as a whole, as many are that only run, everything does."""
    if not any(p.requires_grad for p in student.parameters()):
        for parameter in student.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
    for name in replaced_layers(student, teacher):
        student.get_submodule(name).requires_grad_(True)


def groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and BatchNorm parameters do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
