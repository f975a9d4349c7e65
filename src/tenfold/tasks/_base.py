"""What a task is: it compares two outputs, and draws a loss from one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from tenfold.errors import bad_value
from tenfold.network.padding import counted
from tenfold.registry import Registry
from tenfold.tasks._gaps import integer_gap, projected, relative_gap
from tenfold.tasks._outputs import integers_of, parts_of

Distance: TypeAlias = Callable[[Any, Any], "Tensor | float"]  # output, the original's output
Masks: TypeAlias = Mapping[str, Tensor]  # by name, True where a position counts


@dataclass(frozen=True)
class Evidence:
    """What a task is guessed from: an output, and labels of the same batch if there are any."""

    model: nn.Module
    output: Any
    labels: Any = None
    parts: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def main(self) -> Tensor | None:
        """The first tensor of numbers, or None."""
        return next(iter(self.parts.values()), None)

    @property
    def listed(self) -> bool:
        """Whether an image has a mapping of its own, so that no tensor holds the batch."""
        entries = self.output if isinstance(self.output, (tuple, list)) else ()
        return bool(entries) and all(isinstance(entry, Mapping) for entry in entries)


class Task:
    """Every tensor of numbers counts alike, by its squared error relative to its size."""

    name: str
    class_mode: int | None = None  # the mode over classes, for training and accuracy
    told_by_name: bool = True  # tasks of one name compare alike

    def claims(self, seen: Evidence) -> bool:
        """Whether the outputs are clearly of this task."""
        return False

    def distance(self, output: Any, original: Any, masks: Masks | None = None) -> float:
        """How far an output is from the original's, of any number and kind of tensors; 0 where
        they are alike. Padding, where ``masks`` are False, does not count."""
        mine, goals = parts_of(output), parts_of(original)
        if not goals:
            return integer_gap(integers_of(output), integers_of(original))
        gaps = []
        for at, (name, goal) in enumerate(goals.items()):
            if name not in mine:
                gaps.append(1.0)
                continue
            one, other = (self.laid_out(x, masks or {}, at == 0) for x in (mine[name], goal))
            gaps.append(float(self.gap(one, other, main=at == 0)))
        gaps += [1.0 for name in mine if name not in goals]
        return sum(gaps) / len(gaps)

    def laid_out(self, part: Tensor, masks: Masks, main: bool) -> Tensor:
        """A tensor of an output without padding, as ``gap`` and ``drawn`` take it."""
        return counted(part, masks)

    def gap(self, mine: Tensor, goal: Tensor, main: bool) -> Tensor:
        """How far one tensor is from the original's; ``main`` for the first of an output."""
        return relative_gap(mine, goal)

    def shift(self, output: Any, original: Any, masks: Masks | None = None) -> float:
        """The distance between 0 and 1, so that a few outputs that went very far do not outweigh
        all others: what choices are made by."""
        far = self.distance(output, original, masks)
        return far / (1 + far) if math.isfinite(far) else 1.0

    def agreement(self, output: Any, original: Any, masks: Masks | None = None) -> Tensor | None:
        """Decision by decision whether two outputs come to the same one, ``(n,)``, 0 or 1; None
        where outputs decide nothing."""
        return None

    def drawn_loss(self, output: Any, masks: Masks | None = None) -> Tensor | None:
        """A scalar whose gradient has the second moments that are sensed: a loss at a label drawn
        from the output, or a random projection. None where no gradient can be had."""
        terms = [
            self.drawn(self.laid_out(part, masks or {}, at == 0), main=at == 0)
            for at, part in enumerate(parts_of(output).values())
            if part.requires_grad and part.numel()
        ]
        return torch.stack(terms).sum() if terms else None

    def drawn(self, part: Tensor, main: bool) -> Tensor:
        """The term of one tensor."""
        return projected(part)


def bare(word: str, make: Callable[[], Task]) -> Callable[[str], Task]:
    """What makes a task that takes nothing after its name. Raises InputError where there is."""

    def made(argument: str) -> Task:
        if argument:
            raise bad_value(f"{word} takes nothing after it", repr(argument), f"write {word}")
        return make()

    return made


TASKS: Registry[Callable[[str], Task]] = Registry("task", "tenfold.tasks")
