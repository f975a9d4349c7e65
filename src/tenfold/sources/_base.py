"""What a source is: a text such as ``demo`` or ``net.py:make`` that names a model or data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from tenfold.errors import InputError, as_bad_value, bad_value
from tenfold.network.call import frozen_rng
from tenfold.registry import Registry
from tenfold.store.source_weights import load_weights


@dataclass(frozen=True)
class Loaded:
    """A model with its weights, and an example input for it."""

    model: nn.Module
    example: Any


class Source(ABC):
    """One kind of text, and what it stands for."""

    form: ClassVar[str]  # how to write it, for messages

    @abstractmethod
    def claims(self, text: str) -> bool:
        """Whether the text has this source's form."""

    @abstractmethod
    def model(self, text: str) -> tuple[nn.Module, Any]:
        """The model, and its example or None."""

    @abstractmethod
    def data(self, text: str, split: str) -> Iterable[Any]:
        """Batches, iterable once an epoch; ``split`` is ``"train"`` or ``"test"``."""


SOURCES: Registry[Source] = Registry("source", "tenfold.sources")


def open_model(text: str, weights: str | Path | None = None, example: str | None = None) -> Loaded:
    """The model a text names, with weights from a safetensors file where given.

    ``example`` is a shape such as ``1x3x32x32``; without it the source must bring its own.
    """
    with frozen_rng(0):
        model, own = _claiming(text).model(text)
        if weights is not None:
            load_weights(model, weights)
        shown = own if example is None else random_example(example, model)
    if shown is None:
        raise bad_value(
            "A model needs an example input",
            f"none from {text}",
            "return (model, example) from the function, or pass --example 1x3x224x224",
        )
    return Loaded(model, shown)


def open_data(text: str, split: str) -> Iterable[Any]:
    """The batches a text names."""
    return _claiming(text).data(text, split)


def random_example(shape: str, model: nn.Module) -> torch.Tensor:
    """Normal noise of a shape such as ``1x3x32x32``, in the type of the model's weights and where
    they are."""
    try:
        sizes = [int(size) for size in shape.replace(",", "x").split("x")]
        if min(sizes) < 1:
            raise ValueError(shape)
    except ValueError:
        raise bad_value(
            "An example must be a shape", repr(shape), "write it as 1x3x224x224"
        ) from None
    with as_bad_value("An example must fit into memory", "give a smaller shape"):
        drawn = torch.randn(sizes)
    like = next((p for p in model.parameters() if p.is_floating_point()), drawn)
    return drawn.to(like.device, like.dtype)


def _claiming(text: str) -> Source:
    """The source whose form the text has."""
    for name in SOURCES:
        if SOURCES[name].claims(text):
            return SOURCES[name]
    raise unknown_source(text)


def unknown_source(text: str) -> InputError:
    """The error that lists every form."""
    forms = ", ".join(SOURCES[name].form for name in SOURCES)
    return bad_value("A source must have a known form", repr(text), f"write one of: {forms}")
