"""model' in fp32, opened -> model' as it is handed over, in the types of the original."""

from __future__ import annotations

from torch import nn

from tenfold.build.rebuild import build_structure
from tenfold.compounds import finish_all
from tenfold.network.guest import is_half
from tenfold.values import Plan


def narrowed(built: nn.Module, model: nn.Module, plan: Plan) -> nn.Module:
    """What was built on ``widened(model)``, in the types of the model and with stock layers in
    the place of opened compounds that have some."""
    built = finish_all(built)
    if not is_half(model):
        return built
    narrow = build_structure(model, plan)
    narrow.load_state_dict(built.state_dict())  # rounds each weight to the type it is copied into
    return narrow
