"""graph -> pairs: layers of a traced model that feed each other and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.export import ExportedProgram
from torch.fx import Node

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


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
    owners: dict[Node, str] = {}
    for node in program.graph.nodes:
        layer, _, kind = names.get(node.name, "").rpartition(".")
        if kind in ("weight", "running_mean") and len(node.users) == 1 and is_plain(model, layer):
            owners[next(iter(node.users))] = layer
    return owners


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
