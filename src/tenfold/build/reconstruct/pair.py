"""The original and the network that is fitted to it, run side by side as far as a layer.

Layers are fitted in the order of their calls, so that what either network computes before the one
in hand is computed once (`network/resume.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from tenfold.curves.outcome import Judge
from tenfold.network.call import call_alike
from tenfold.network.replay import MOST, composites_in
from tenfold.network.resume import Resumed, changes_elsewhere, working_layers
from tenfold.network.watch import watching


class _Reached(Exception):
    """Raised by a hook: the rest of the network need not be run."""


class Pair:
    """Two networks, both in evaluation mode; the layers of the second that may still change; the
    batches that it is fitted on, and who judges it on others. Where a pass leaves ``traces``,
    layers alone are skipped in the next."""

    def __init__(
        self,
        original: nn.Module,
        better: nn.Module,
        names: Sequence[str],
        batches: Sequence[Any],
        judge: Judge | None = None,
        traces: bool = True,
    ) -> None:
        self.original, self.better, self.batches, self.judge = original, better, batches, judge
        self.changing = [better.get_submodule(name) for name in names]
        most = 0.0 if changes_elsewhere(better, self.changing) else MOST / 3
        mine, theirs = (recordable(network, names, traces) for network in (better, original))
        self.wanted = Resumed(theirs, len(batches), MOST / 3)
        self.given = Resumed(mine, len(batches), most)
        self.judged = Resumed(mine, len(judge.goals) if judge else 0, most)

    def settle(self) -> None:
        """The first of the layers that may change will not any more."""
        del self.changing[0]

    def shift(self) -> float:
        """How far the second network's outputs are from the original's; 0 without a judge."""
        if self.judge is None:
            return 0.0
        return self.judge.shift(self.better, lambda k: self.judged.over(k, self.changing))

    def seen_at(self, name: str, index: int, calls: int) -> tuple[list[Tensor], list[Tensor]]:
        """What a layer of the second network gets, and what that of the original gives, call by
        call, in one pass each over a batch."""
        inputs = self.batches[index]
        with self.given.over(index, self.changing):
            given = seen_at(self.better, name, inputs, calls, output=False)
        with self.wanted.over(index):
            wanted = seen_at(self.original, name, inputs, calls, output=True)
        return given, wanted


def recordable(network: nn.Module, names: Sequence[str], traces: bool) -> list[nn.Module]:
    """The layers that hold the work, and what is around them where it may be skipped."""
    layers = working_layers(network, names)
    return layers if traces else [*layers, *composites_in(network)]


def seen_at(model: nn.Module, name: str, inputs: Any, calls: int, output: bool) -> list[Tensor]:
    """What a module gets or gives, call by call, in one forward pass that ends at the last."""
    found: list[Tensor] = []

    def keep(module: nn.Module, args: tuple[Any, ...], result: Any) -> None:
        seen = (result if output else args[0]).detach()
        found.append(seen if calls == 1 else seen.clone())  # what comes next may work in place
        if len(found) == calls:
            raise _Reached

    with watching({model.get_submodule(name): keep}), contextlib.suppress(_Reached):
        call_alike(model, inputs)
    return found
