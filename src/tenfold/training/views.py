"""The original's answer to an image, from several views of it.

An image, its mirror image and both a little shifted are the same thing seen again; the mean of a
network's answers to them is more often right than the one, and so teaches more (Radosavovic et al.
2018, section 3).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.augment import is_image, view
from tenfold.data.batches import logits_of
from tenfold.errors import bad_value
from tenfold.network.call import call
from tenfold.network.inputs import leaves


def with_views(answer: Tensor, teacher: nn.Module, inputs: Any, count: int) -> Tensor:
    """``answer`` ``(batch, classes)`` of the teacher to the inputs, averaged with its answers to
    ``count - 1`` further views. Raises InputError where mirroring would say something else."""
    if count == 1:
        return answer
    check(answer, inputs, count)
    further = [logits_of(call(teacher, view(inputs, index))) for index in range(1, count)]
    return torch.stack([answer, *further]).mean(0)


def check(answer: Tensor, inputs: Any, count: int) -> None:
    """Images, of which each has one answer."""
    rule = "Several views need images (batch, channels, height, width) with one answer each"
    if not any(is_image(x) for x in leaves(inputs)):
        raise bad_value(rule, f"views={count} and inputs of other kinds", "use views=1")
    if answer.ndim > 2:
        raise bad_value(rule, f"an output of shape {tuple(answer.shape)}", "use views=1")
