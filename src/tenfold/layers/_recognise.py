"""What may be a layer that computes its weight, told without running it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

# hooks of torch's own that compute a weight, with the call that leaves it as a plain parameter
WEIGHT_HOOKS = {
    WeightNorm: "torch.nn.utils.remove_weight_norm(layer)",
    SpectralNorm: "torch.nn.utils.remove_spectral_norm(layer)",
    BasePruningMethod: "torch.nn.utils.prune.remove(layer, 'weight')",
}
PARAMETRIZED = "torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight')"


def weight_hooks(module: nn.Module) -> list[str]:
    """For each hook of torch's own that computes a tensor of the module, the call that ends it."""
    return [
        way
        for hook in module._forward_pre_hooks.values()
        for kind, way in WEIGHT_HOOKS.items()
        if isinstance(hook, kind)
    ]


def has_other_hooks(module: nn.Module) -> bool:
    """Hooks beside those."""
    others = len(module._forward_pre_hooks) - len(weight_hooks(module))
    return bool(others or module._forward_hooks or module._backward_hooks)


def holds_layers(module: nn.Module) -> bool:
    """Whether modules inside have parameters, other than those that a weight is computed from."""
    parts = (part for name, part in module.named_children() if name != "parametrizations")
    return any(next(part.parameters(), None) is not None for part in parts)


def way_out(module: nn.Module) -> str:
    """What makes a plain layer of it."""
    if getattr(module, "parametrizations", None):
        return f"call {PARAMETRIZED} first"
    ways = weight_hooks(module)
    return f"call {ways[0]} first" if ways else "put a stock layer in its place first"


def is_foreign(module: nn.Module, stock: type[nn.Module]) -> bool:
    """Whether a module of a class outside torch holds no others, and one weight of as many axes
    as the stock class has; transposed layers are told by their class alone."""
    if type(module).__module__.startswith("torch.") or module._modules:
        return False
    sizes = [p.ndim for p in module._parameters.values() if p is not None and p.ndim > 1]
    return sizes == [{nn.Linear: 2, nn.Conv1d: 3, nn.Conv2d: 4, nn.Conv3d: 5}.get(stock, 0)]


def channels_of(module: nn.Module) -> list[int]:
    """How many channels a module may read."""
    for name in ("in_channels", "in_features"):
        if isinstance(getattr(module, name, None), int):
            return [getattr(module, name)]
    shape = max((p.shape for p in module.parameters()), key=len)
    groups = getattr(module, "groups", 1)
    return [shape[1], shape[0]] if len(shape) == 2 else [shape[1] * groups]


def key_of(module: nn.Module) -> Any:
    """What a proof depends on beside the numbers of the parameters."""
    plain = (int, float, str, bool, tuple, type(None), torch.dtype)
    own = {k: v for k, v in vars(module).items() if isinstance(v, plain) and k != "training"}
    types = [(name, p.dtype, p.shape) for name, p in module.named_parameters()]
    return type(module), own, types, [type(part) for part in module.modules()]
