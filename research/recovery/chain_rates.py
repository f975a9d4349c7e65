"""A learning rate for every factor, in proportion to the size of its weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import nn

from tenfold.training import loop


def sized_groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """A group a factor, its rate in proportion to the size of its weights (Adafactor, Shazeer
    and Stern 2018, section 8), which is 1 at a root mean square of 0.1."""
    found = []
    for p in model.parameters():
        size = float(p.detach().square().mean().sqrt()) if p.ndim > 1 else 0.1
        found.append(
            {
                "params": [p],
                "weight_decay": decay if p.ndim > 1 else 0.0,
                "share": min(4.0, max(0.25, size / 0.1)),
            }
        )
    return found


@contextmanager
def factor_rates() -> Iterator[None]:
    """The loop with a rate a factor."""
    step = torch.optim.AdamW.step

    def scaled(self: Any, *args: Any) -> Any:
        rates = [group["lr"] for group in self.param_groups]
        for group in self.param_groups:
            group["lr"] *= group.get("share", 1.0)
        found = step(self, *args)
        for group, rate in zip(self.param_groups, rates):
            group["lr"] = rate
        return found

    with (
        mock.patch.object(loop, "groups", sized_groups),
        mock.patch.object(torch.optim.AdamW, "step", scaled),
    ):
        yield
