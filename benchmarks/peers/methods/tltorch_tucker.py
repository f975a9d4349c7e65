"""tltorch: each layer in Tucker form at one share of its parameters, decomposed, not trained.

Convolutions run as ``factorized``, for its default computes the dense weight anew at every call;
linear layers keep that default, for their factorized form holds a number for every pair of inputs
and outputs, at every rank and row of a batch, at once. Kernels keep their 3x3: at ranks above it,
tensorly's SVD asks for as much as it can get. A linear layer is one matrix, not folded further.
"""

from __future__ import annotations

import copy

import tensorly
from tltorch import FactorizedConv, FactorizedLinear
from torch import nn

from benchmarks.peers.budget import Budget, Shrunk, turn
from benchmarks.peers.cases import Case
from benchmarks.peers.methods._factored import Layer, replaced


def shrink(case: Case, budget: Budget) -> Shrunk:
    """All layers at one share."""
    tensorly.set_backend("pytorch")
    return turn(
        lambda knob: replaced(copy.deepcopy(case.model), lambda _, layer: factorised(layer, knob)),
        budget,
    )


def factorised(layer: Layer, share: float) -> nn.Module:
    """tltorch's layer in its place."""
    if isinstance(layer, nn.Conv2d):
        return FactorizedConv.from_conv(
            layer,
            rank=share,
            factorization="tucker",
            implementation="factorized",
            fixed_rank_modes="spatial",
        )
    return FactorizedLinear.from_linear(
        layer,
        rank=share,
        factorization="tucker",
        auto_tensorize=False,
        in_tensorized_features=(layer.in_features,),
        out_tensorized_features=(layer.out_features,),
        bias=layer.bias is not None,
    )
