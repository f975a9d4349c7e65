"""Inputs to train on where there are no data: of a class each, most of them made of others.

DeepInversion (Yin et al. 2020, equation 4) with its class targets and its total variation, which
sensing does without; what is made of blends of inputs made before needs a third of the steps, as
features are found once (Fang et al. 2022).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.data.augment import blend, is_image, varied
from tenfold.data.batches import logits_of
from tenfold.data.cache import cached
from tenfold.data.synthesise import descend, look_inside, smooth_noise
from tenfold.data.synthetic import TOGETHER, check_synthesisable
from tenfold.errors import bad_value
from tenfold.machine.precision import autocast
from tenfold.machine.progress import Progress, silent
from tenfold.network.call import frozen_rng, keeping_buffers, run

WORD, USUAL = "synthetic", 1024
FIRST, FIRST_STEPS, STEPS = 256, 100, 30  # so many begin as noise
RATE = 0.1  # gentler than for statistics alone: a class is soon met by a loud pattern
CLASSES, SMOOTH = 0.05, 0.05  # weights beside the mismatch of the statistics


def asks_for_made(data: Any) -> bool:
    """Whether data are the word that stands for made inputs, with or without a number."""
    return isinstance(data, str) and data.partition(":")[0] == WORD


def count_asked(text: str) -> int:
    """``synthetic`` or ``synthetic:4096`` as a number of inputs."""
    word, _, count = text.partition(":")
    if word == WORD and not count:
        return USUAL
    if word != WORD or not count.isdecimal() or not int(count):
        raise bad_value(
            f"Data must be batches or {WORD!r}, with a number of inputs or without",
            repr(text),
            f"write {WORD} or {WORD}:4096",
        )
    return int(count)


def made_inputs(
    model: nn.Module,
    example: Tensor,
    count: int,
    *,
    classifies: bool = True,
    seed: int = 0,
    progress: Progress = silent,
) -> Tensor:
    """``count`` inputs shaped like the example's, from the model alone, kept on disk.

    Of a class each where the output is ``(batch, classes)`` and ``classifies`` does not say that
    these are plain values. Raises InputError where there are no BatchNorm statistics, or where the
    example is not one real tensor.
    """
    with frozen_rng(seed), keeping_buffers(model):
        check_synthesisable(model, example)
        classes = classes_of(model, example) if classifies else 0
        key = ("made inputs", count, classes, seed, tuple(example.shape[1:]))
        tensors = cached(
            key, model, lambda: {"all": make(model, example, count, classes, progress)}
        )
    return tensors["all"]


def classes_of(model: nn.Module, example: Tensor) -> int:
    """How many classes the output has, 0 where it is no ``(batch, classes)``."""
    output = logits_of(run(model, example))
    return output.shape[1] if output.ndim == 2 and output.shape[1] > 1 else 0


def make(model: nn.Module, example: Tensor, count: int, classes: int, progress: Progress) -> Tensor:
    """Batch after batch, the first ones of noise, the others of what is there."""
    device, shape = next(model.parameters()).device, tuple(example.shape[1:])
    made = torch.empty(count, *shape, dtype=example.dtype, device=device)
    for done in range(0, count, TOGETHER):
        size, fresh = min(TOGETHER, count - done), done < FIRST
        start = smooth_noise((size, *shape)).to(made) if fresh else mixed(made[:done], size)
        loss = objective(model, classes, size)
        steps = FIRST_STEPS if fresh else STEPS
        made[done : done + size] = descend(model, start, loss, steps, rate=RATE)
        progress("making inputs", done + size, count)
    return made


def mixed(inputs: Tensor, size: int) -> Tensor:
    """Some of the inputs, images mirrored and moved by chance, about half blended with another."""
    return blend(varied(inputs[torch.randperm(len(inputs))[:size].to(inputs.device)]))


def objective(model: nn.Module, classes: int, size: int) -> Callable[[Tensor], Tensor]:
    """What made inputs minimise: statistics as the model's, sure to be of the class drawn for
    each, smooth where they are images."""
    labels = torch.randint(max(classes, 1), (size,))

    def loss(inputs: Tensor) -> Tensor:
        with autocast("auto", inputs.device):
            value, output = look_inside(model, varied(inputs))
        if classes:
            logits = logits_of(output).float()
            value = value + CLASSES * F.cross_entropy(logits, labels.to(logits.device))
        return value + SMOOTH * variation(inputs) if is_image(inputs) else value

    return loss


def variation(images: Tensor) -> Tensor:
    """Mean difference between neighbours, along both spatial modes."""
    return images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean()
