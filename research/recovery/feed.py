"""Training batches without end, of a seed's own random choices."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.networks.augmented import Augmented
from tenfold.training.run import EPOCH_SEEDS


class Feed:
    """Batches of a seed without end, whose random choices are those of the seed alone."""

    def __init__(self, images: Augmented, seed: int) -> None:
        self.images, self.seed = images, seed
        self._batches = self._all()
        self._state: Tensor | None = None

    def __next__(self) -> tuple[Tensor, Tensor]:
        before = torch.get_rng_state()
        if self._state is not None:
            torch.set_rng_state(self._state)
        batch = next(self._batches)
        self._state = torch.get_rng_state()
        torch.set_rng_state(before)
        return batch

    def _all(self) -> Iterator[tuple[Tensor, Tensor]]:
        epoch = 0
        while True:
            torch.manual_seed(self.seed * EPOCH_SEEDS + epoch)
            yield from self.images
            epoch += 1
