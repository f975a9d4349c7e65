"""model, example -> model': BatchNorm folded away and adjacent layers merged, same function.

Which layer feeds which is read off the traced graph; layers are changed in a copy of the model
itself, so that what comes back has the same class and the same stock layers, fewer of them.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.export import ExportedProgram

from tenfold.deploy.join import RULES
from tenfold.deploy.pair import pairs
from tenfold.errors import TenfoldError
from tenfold.network.arrays import tensors_in
from tenfold.network.call import run
from tenfold.network.copying import copy_of
from tenfold.network.difference import difference, tolerance
from tenfold.network.inputs import shuffle
from tenfold.runtimes.trace import trace


def fuse(model: nn.Module, example: Any) -> nn.Module:
    """A copy in evaluation mode with fewer layers that computes the same.

    BatchNorm goes into the convolution or linear layer right before it, which takes its place
    with a bias; a pointwise layer right after another layer is multiplied into it where that
    does not cost more. What is merged away becomes ``nn.Identity``. ``model`` is not changed.
    A copy whose outputs differ by more than rounding on the example, or which the network cannot
    do with because it looks into a merged layer, is dropped for a plain one.

    Raises InputError when the model cannot be traced; the sentence names the operation.
    """
    plain = copy_of(model).eval()
    fused, program = copy_of(plain), trace(plain, example)
    try:
        while join_pairs(fused, program):
            program = trace(fused, example)
        return fused if same(plain, fused, example) else plain
    except (TenfoldError, RuntimeError, AttributeError):  # the network looks into what was merged
        return plain


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


def same(model: nn.Module, fused: nn.Module, example: Any) -> bool:
    """Whether both give the same outputs, but for rounding, on the example and on noise."""
    for probe in (example, shuffle(example)):
        wanted, got = (tensors_in(run(each, probe)) for each in (model, fused))
        if not difference(wanted, got) <= tolerance(wanted):
            return False
    return True
