"""What a source is: a text such as ``demo`` or ``net.py:make`` that names a model or data."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from tenfold.errors import InputError, MissingExtra, as_bad_value, bad_value
from tenfold.network.call import frozen_rng
from tenfold.registry import Registry
from tenfold.store.source_weights import load_weights

RANDOM = "random"  # in place of a file with weights


@dataclass(frozen=True)
class Loaded:
    """A model with its weights, and an example input for it. ``files`` belong beside a model that
    is made of it, such as those of a tokenizer; ``notes`` say what was done to make weights fit."""

    model: nn.Module
    example: Any
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


class Source(ABC):
    """One kind of text, and what it stands for. ``packages`` are the modules that it imports,
    ``extra`` is the extra of tenfold that brings them."""

    form: ClassVar[str]  # how to write it, for messages
    prefix: ClassVar[str] = ""  # what its texts begin with, as timm:
    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""

    def claims(self, text: str) -> bool:
        """Whether the text has this source's form: its prefix, unless it says otherwise."""
        return bool(self.prefix) and text.startswith(self.prefix)

    @abstractmethod
    def model(self, text: str, trained: bool = True) -> tuple[nn.Module, Any]:
        """The model, and its example or None. Where ``trained`` is False, any weights will do,
        for others follow."""

    def data(self, text: str, split: str) -> Iterable[Any]:
        """Batches, iterable once an epoch; ``split`` is ``"train"`` or ``"test"``."""
        raise bad_value(
            "Data must come from a source of data",
            repr(text),
            "write path/to/file.py:function, for a function that returns batches",
        )

    def example(self, model: nn.Module, sizes: Sequence[int]) -> Any:
        """An input of these sizes: noise, in the type of the model's weights and where they are."""
        return noise(model, sizes)

    def files(self, text: str) -> tuple[Path, ...]:
        """Files that belong beside the model, such as those of a tokenizer."""
        return ()

    def check_packages(self) -> None:
        """Raises MissingExtra for a package that is not installed."""
        for package in self.packages:
            if importlib.util.find_spec(package) is None:
                raise MissingExtra(
                    f"The source {self.form} needs the package {package}, but found none; "
                    f"install it with pip install 'tenfold[{self.extra}]'."
                )


SOURCES: Registry[Source] = Registry("source", "tenfold.sources")


def open_model(text: str, weights: str | Path | None = None, example: str | None = None) -> Loaded:
    """The model a text names, with weights from a file where given, or none that are trained for
    ``"random"``.

    ``example`` is a shape such as ``1x3x32x32``; without it the source must bring its own.
    """
    source = claiming(text)
    source.check_packages()
    notes: tuple[str, ...] = ()
    sizes = None if example is None else read_shape(example)
    with frozen_rng(0):
        model, own = source.model(text, trained=weights is None)
        if weights is not None and str(weights) != RANDOM:
            notes = load_weights(model, weights)
        shown = own if sizes is None else draw_example(source, model, sizes)
    if shown is None:
        raise bad_value(
            "A model needs an example input",
            f"none from {text}",
            "return (model, example) from the function, or pass --example 1x3x224x224",
        )
    return Loaded(model, shown, source.files(text), notes)


def open_data(text: str, split: str) -> Iterable[Any]:
    """The batches a text names."""
    return claiming(text).data(text, split)


def read_shape(shape: str) -> list[int]:
    """The sizes in a text such as ``1x3x32x32``. Raises InputError."""
    try:
        sizes = [int(size) for size in shape.replace(",", "x").split("x")]
        if min(sizes) < 1:
            raise ValueError(shape)
    except ValueError:
        raise bad_value(
            "An example must be a shape", repr(shape), "write it as 1x3x224x224"
        ) from None
    return sizes


def draw_example(source: Source, model: nn.Module, sizes: Sequence[int]) -> Any:
    """The source's input of these sizes. Raises InputError where memory cannot hold it."""
    with as_bad_value("An example must fit into memory", "give a smaller shape"):
        return source.example(model, sizes)


def noise(model: nn.Module, sizes: Sequence[int]) -> torch.Tensor:
    """Normal noise, in the type of the model's weights and where they are."""
    drawn = torch.randn(tuple(sizes))
    like = next((p for p in model.parameters() if p.is_floating_point()), drawn)
    return drawn.to(like.device, like.dtype)


def claiming(text: str) -> Source:
    """The source whose form the text has. Raises InputError."""
    for name in SOURCES:
        if SOURCES[name].claims(text):
            return SOURCES[name]
    raise unknown_source(text)


def unknown_source(text: str) -> InputError:
    """The error that lists every form."""
    forms = ", ".join(SOURCES[name].form for name in SOURCES)
    return bad_value("A source must have a known form", repr(text), f"write one of: {forms}")
