"""Language models: scores of the next token at every position, the last mode."""

from __future__ import annotations

from torch import Tensor, nn

from tenfold.tasks._base import TASKS, Evidence, bare
from tenfold.tasks.classes import Classes


class Language(Classes):
    """Classification over the vocabulary, at every position that is not padding."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.name = "language"

    def claims(self, seen: Evidence) -> bool:
        """``(batch, time, tokens)`` with a label at every position, or with as many tokens as one
        of the network's tables."""
        x = seen.main
        if x is None or x.is_complex() or x.ndim != 3 or x.shape[-1] < 2:
            return False
        labels = seen.labels
        if isinstance(labels, Tensor) and labels.shape == x.shape[:2]:
            return not labels.is_floating_point()
        tables = [m.num_embeddings for m in seen.model.modules() if isinstance(m, nn.Embedding)]
        return x.shape[-1] in tables


TASKS.add("language", bare("language", Language))
