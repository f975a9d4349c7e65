"""An average of the weights over the steps, judged and kept in place of the weights themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from tenfold.training.shards import spread_again, spread_like, whole


class Ema:
    """Exponential moving average of a model's parameters; a decay of 0 follows them exactly.

    Early on the decay is ``(1 + step) / (10 + step)``, so that the start is forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model, self.decay, self.step = model, decay, 0
        self._mean = {n: p.detach().clone() for n, p in model.named_parameters()} if decay else {}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        self.step += 1
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        for name, p in self._model.named_parameters() if self._mean else ():
            self._mean[name].lerp_(p.detach(), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the averaged weights inside, its own again outside."""
        own = {n: p.detach().clone() for n, p in self._model.named_parameters() if n in self._mean}
        self._put(self._mean)
        try:
            yield
        finally:
            spread_again(self._model)
            self._put(own)

    @torch.no_grad()
    def _put(self, values: Mapping[str, Tensor]) -> None:
        for name, p in self._model.named_parameters():
            if name in values:
                p.copy_(values[name])

    def state(self) -> dict[str, Tensor]:
        """The average as whole tensors."""
        return {name: whole(value) for name, value in self._mean.items()}

    def load(self, state: Mapping[str, Tensor], step: int) -> None:
        """Take up an average found on disk."""
        self.step = step
        for name, value in self._mean.items():
            self._mean[name] = spread_like(state[name], value)
