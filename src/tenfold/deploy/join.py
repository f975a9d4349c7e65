"""Two layers in a row -> one that computes the same, and when that is worth it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from tenfold.deploy.pair import CONVS


def foldable(first: nn.Module, second: nn.Module, node: Node) -> bool:
    """A BatchNorm with running statistics, over the channels the first layer puts out."""
    if not isinstance(second, _BatchNorm) or second.running_var is None:
        return False
    if isinstance(first, nn.Linear):
        return shape_of(node) == 2
    return isinstance(first, CONVS) and first.out_channels == second.num_features


def fold(first: Any, second: Any) -> nn.Module:
    """One layer for a layer and its BatchNorm."""
    join = fuse_linear_bn_eval if isinstance(first, nn.Linear) else fuse_conv_bn_eval
    return join(first, second)


def mergeable(first: nn.Module, second: nn.Module, node: Node) -> bool:
    """A pointwise layer after one of its kind, the product being no larger than the two."""
    if isinstance(first, nn.Linear) and isinstance(second, nn.Linear):
        return first.in_features * second.out_features <= numbers(first) + numbers(second)
    if not isinstance(first, CONVS) or type(first) is not type(second) or not is_pointwise(second):
        return False
    return first.groups == 1 and first.weight[0].numel() * len(second.weight) <= (  # type: ignore[operator, arg-type]
        numbers(first) + numbers(second)
    )


def merge(first: Any, second: Any) -> nn.Module:
    """One layer for two: weights multiplied along the channels between them, in float64."""
    merged = copy.deepcopy(first)
    outer, inner = second.weight.detach().double().flatten(1), first.weight.detach().double()
    weight = torch.einsum("om,m...->o...", outer, inner)
    bias = None
    if first.bias is not None or second.bias is not None:
        bias = torch.zeros(len(outer), dtype=torch.float64, device=outer.device)
        bias = bias if first.bias is None else bias + outer @ first.bias.detach().double()
        bias = bias if second.bias is None else bias + second.bias.detach().double()
    merged.weight = nn.Parameter(weight.to(first.weight), first.weight.requires_grad)
    merged.bias = None if bias is None else nn.Parameter(bias.to(first.weight))
    if isinstance(merged, nn.Linear):
        merged.out_features = second.out_features
    else:
        merged.out_channels = second.out_channels
    return merged


def is_pointwise(layer: Any) -> bool:
    """Kernel and stride 1, no padding, all channels mixed."""
    ones = {*layer.kernel_size, *layer.stride} == {1}
    padded = layer.padding not in ("same", "valid") and any(layer.padding)
    return ones and not padded and layer.groups == 1


def numbers(layer: nn.Module) -> int:
    """Weights, without the bias."""
    weight = layer.weight
    return weight.numel() if isinstance(weight, Tensor) else 0


def shape_of(node: Node) -> int:
    """Axes of an operation's output."""
    return node.args[0].meta["val"].ndim  # type: ignore[union-attr, no-any-return]


# What accepts a pair, given the second layer's operation, and what joins it.
RULES: tuple[tuple[Callable[..., bool], Callable[..., nn.Module]], ...] = (
    (foldable, fold),
    (mergeable, merge),
)
