"""model, example -> the model with its compounds opened, and why others stay closed."""

from __future__ import annotations

from typing import Any

from torch import nn

from tenfold.compounds import closed_names, open_all, open_named, opened_names
from tenfold.network.accept import unwrapped
from tenfold.survey.read_by_network import differs, outputs_of, same

OTHER = "its outputs change when it is opened, though the parts compute the same"


def open_compounds(model: nn.Module, example: Any) -> tuple[nn.Module, dict[str, str]]:
    """A network that reads a compound's weights, or asks for its class, keeps it as it is.

    Two forward passes where there are compounds and none of them is looked into, else one more for
    each."""
    model = unwrapped(model)
    opened = open_all(model)
    closed = closed_names(opened)
    if opened is model:
        return opened, closed
    try:
        usual = outputs_of(model, example)
    except Exception:  # which the record of calls puts in words
        return model, closed
    if differs(opened, example, usual, OTHER) is None:
        return opened, closed
    steady = same(usual, outputs_of(model, example))
    for name in opened_names(opened):
        why = differs(open_named(model, (name,)), example, usual, OTHER, steady)
        if why is not None:
            closed[name] = f"the network looks into it ({why})"
    return open_named(model, set(opened_names(opened)) - set(closed)), closed
