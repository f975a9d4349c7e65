"""How a runtime writes int8: one preparation, and a file a variant of the calibration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn


class Int8(ABC):
    """Writes files that the runtime loads as it does float ones; stateless."""

    @abstractmethod
    def prepare(self, model: nn.Module, example: Any, folder: Path) -> Any:
        """What all variants share; ``folder`` is for files and goes away afterwards."""

    @abstractmethod
    def variants(self, state: Any) -> tuple[str, ...]:
        """Ways to choose ranges and layers, of which ``tenfold.quantise`` keeps the one that is
        closest to the model."""

    @abstractmethod
    def write(self, state: Any, inputs: Sequence[Any], variant: str, path: Path) -> None:
        """Quantise on ``inputs``, batches of one size, into ``path``."""
