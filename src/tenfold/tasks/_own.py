"""A task that a function of the user's own states."""

from __future__ import annotations

from typing import Any

import torch

from tenfold.errors import InputError, bad_value
from tenfold.tasks._base import Distance, Masks, Task


class Own(Task):
    """Outputs are as far apart as the function says; what is drawn is a random projection."""

    def __init__(self, function: Distance | None, name: str) -> None:
        self.function, self.name = function, name

    def distance(self, output: Any, original: Any, masks: Masks | None = None) -> float:
        """The value of the function, 0 or more. Raises InputError for anything else."""
        if self.function is None:
            return super().distance(output, original, masks)
        rule = f"The {self.name} must give one number for two outputs"
        way = "check what it computes"
        try:
            value = torch.as_tensor(self.function(output, original))
            if value.numel() != 1:
                raise bad_value(rule, f"a tensor of shape {tuple(value.shape)}", way)
            return float(value)
        except InputError:
            raise
        except Exception as error:
            raise bad_value(rule, f"{type(error).__name__}: {error}", way) from error
