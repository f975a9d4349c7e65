"""Torch-Pruning's quick start, with the ratio as the knob."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch_pruning
from torch import nn

from benchmarks.peers.budget import Budget, Shrunk, turn
from benchmarks.peers.cases import Case


def pruned(case: Case, budget: Budget, **settings: Any) -> Shrunk:
    """All groups of channels, as the settings say; layers that make the outputs keep theirs."""
    return turn(lambda knob: at_ratio(case, 1 - knob, settings), budget)


def at_ratio(case: Case, ratio: float, settings: dict[str, Any]) -> nn.Module:
    """One ratio for all channels; heads of attention as their example for BERT has it."""
    model = copy.deepcopy(case.model)
    heads = {
        matrix: module.num_attention_heads
        for module in attentions(model)
        for matrix in (module.query, module.key, module.value)
    }
    pruner = torch_pruning.pruner.BasePruner(
        model,
        case.example,
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=ratio,
        ignored_layers=[model.get_submodule(name) for name in case.outputs],
        num_heads=heads,
        **settings,
    )
    with torch.enable_grad():
        pruner.step()
    for module in attentions(model):
        module.num_attention_heads = pruner.num_heads[module.query]
        module.all_head_size = module.query.out_features
        module.attention_head_size = module.all_head_size // module.num_attention_heads
    return model


def attentions(model: nn.Module) -> list[Any]:
    """Modules that split what three matrices make into heads."""
    names = ("query", "key", "value", "num_attention_heads")
    return [m for m in model.modules() if all(hasattr(m, name) for name in names)]
