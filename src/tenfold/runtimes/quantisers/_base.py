"""What a quantiser is: one preparation, and an int8 file a variant of the calibration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from tenfold.registry import Registry


class Quantiser(ABC):
    """Writes files of the exporter of the same name, stateless."""

    name: ClassVar[str]

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


QUANTISERS: Registry[Quantiser] = Registry("int8 format", "tenfold.runtimes.quantisers")
