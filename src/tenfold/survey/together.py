"""Layers that have one weight go or stay together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tenfold.survey.reasons import NEVER_RUN


def names_together(names: Sequence[str], ties: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """For each layer the names of all that have its weight, its own among them."""
    tied = {name: list(tie) for tie in ties for name in tie}
    return {name: tied.get(name, [name]) for name in names}


def reasons_together(
    reasons: Mapping[str, str | None], ties: Sequence[Sequence[str]]
) -> dict[str, str | None]:
    """The reasons, with one for every layer whose weight is also in a layer that has to stay. That
    the example runs only some of them is none."""
    joint = dict(reasons)
    for tie in ties:
        staying = [name for name in tie if reasons[name] not in (None, NEVER_RUN)]
        if not staying and any(reasons[name] is None for name in tie):
            joint.update(dict.fromkeys(tie))
        for name in tie if staying else ():
            if name not in staying:
                why = f"which has to stay: {reasons[staying[0]]}"
                joint[name] = f"its weight is shared with {staying[0]}, {why}"
    return joint
