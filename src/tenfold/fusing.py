"""model, example -> model': BatchNorm folded away and adjacent layers merged, same function.

Which layer feeds which is read off the traced graph; layers are changed in a copy of the model
itself, so that what comes back has the same class and the same stock layers, fewer of them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from tenfold.forward import run
from tenfold.inputs import leaves, shuffle
from tenfold.trace import trace

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
TOLERANCE = 1e-4  # of the largest output; beyond it the copy is handed back unfused


def fuse(model: nn.Module, example: Any) -> nn.Module:
    """A copy in evaluation mode with fewer layers that computes the same.

    BatchNorm goes into the convolution or linear layer right before it, which takes its place
    with a bias; a pointwise layer right after another layer is multiplied into it where that
    does not cost more. What is merged away becomes ``nn.Identity``. ``model`` is not changed.
    A copy whose outputs differ by more than rounding on the example is dropped for a plain one.

    Raises InputError when the model cannot be traced; the sentence names the operation.
    """
    plain = copy.deepcopy(model).eval()
    fused = copy.deepcopy(plain)
    while join_pairs(fused, trace(fused, example)):
        pass
    return fused if same(plain, fused, example) else plain


def join_pairs(model: nn.Module, program: ExportedProgram) -> bool:
    """Join in place every pair that a rule accepts; whether there was one."""
    taken: set[str] = set()
    for first, second, node in pairs(model, program):
        layers = model.get_submodule(first), model.get_submodule(second)
        rule = next((join for accepts, join in RULES if accepts(*layers, node)), None)
        if rule is None or {first, second} & taken:
            continue
        model.set_submodule(first, rule(*layers))
        model.set_submodule(second, nn.Identity())
        taken |= {first, second}
    return bool(taken)


def pairs(model: nn.Module, program: ExportedProgram) -> Iterator[tuple[str, str, Node]]:
    """Layers called once whose output goes into one other layer called once and nowhere else."""
    owners = layer_nodes(model, program)
    for node, name in owners.items():
        source = node.args[0]
        if isinstance(source, Node) and source in owners and len(source.users) == 1:
            yield owners[source], name, node


def layer_nodes(model: nn.Module, program: ExportedProgram) -> dict[Node, str]:
    """The operation of each stock layer that is called once, keeps its weight to itself and has
    no hooks."""
    signature = program.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    found: dict[Node, str] = {}
    for node in program.graph.nodes:
        layer, _, kind = names.get(node.name, "").rpartition(".")
        if kind in ("weight", "running_mean") and len(node.users) == 1 and is_plain(model, layer):
            found[next(iter(node.users))] = layer
    return found


def is_plain(model: nn.Module, name: str) -> bool:
    """A layer of exactly a known class, without hooks, with parameters of its own."""
    layer = model.get_submodule(name)
    if not name or type(layer) not in (*CONVS, *NORMS, nn.Linear):
        return False
    if layer._forward_hooks or layer._forward_pre_hooks:
        return False
    own = {id(p) for p in layer.parameters()}
    every = [id(p) for _, p in model.named_parameters(remove_duplicate=False)]
    return all(every.count(each) == 1 for each in own)


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


RULES: tuple[tuple[Callable[..., bool], Callable[..., nn.Module]], ...] = (
    (foldable, fold),
    (mergeable, merge),
)


def same(model: nn.Module, fused: nn.Module, example: Any) -> bool:
    """Whether both give the same outputs, but for rounding, on the example and on noise."""
    for probe in (example, shuffle(example)):
        for wanted, found in zip(leaves(run(model, probe)), leaves(run(fused, probe))):
            size = wanted.abs().max().clamp_min(1e-6)
            if not bool(((wanted - found).abs().max() <= TOLERANCE * size).all()):
                return False
    return True
