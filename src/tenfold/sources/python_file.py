"""``path/to/file.py:function``: a function of the user's that returns a model, or data."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from tenfold.errors import TenfoldError, bad_value
from tenfold.sources._base import SOURCES, Source


class PythonFile(Source):
    """The file is imported with its own folder on the path, and the function called."""

    form = "path/to/file.py:function"

    def claims(self, text: str) -> bool:
        """A file of Python, a colon and a name."""
        path, colon, function = text.rpartition(":")
        return bool(colon) and path.endswith(".py") and function.isidentifier()

    def model(self, text: str, trained: bool = True) -> tuple[nn.Module, Any]:
        """What the function returns: a module, or a pair with an example. Raises InputError."""
        value = call_function(text)
        model, example = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
        if not isinstance(model, nn.Module):
            raise bad_value(
                f"{text} must return a torch.nn.Module",
                type(model).__name__,
                "return the model, or a pair (model, example)",
            )
        return model, example

    def data(self, text: str, split: str) -> Iterable[Any]:
        """The batches that the function returns. Raises InputError."""
        value = call_function(text)
        if not isinstance(value, Iterable):
            raise bad_value(
                f"{text} must return batches",
                type(value).__name__,
                "return a DataLoader or a list of (inputs, labels)",
            )
        return value


def call_function(text: str) -> Any:
    """What the function returns; an error inside it is told in one sentence."""
    function = open_function(text)
    with told_in_a_sentence(text):
        return function()


def open_function(text: str) -> Callable[..., Any]:
    """The function itself."""
    path, _, name = text.rpartition(":")
    file = Path(path)
    if not file.is_file():
        raise bad_value(
            "A source file must exist", f"no {file}", "write it as path/to/file.py:function"
        )
    with told_in_a_sentence(text):
        function = getattr(import_file(file), name, None)
    if not callable(function):
        raise bad_value(
            f"{file} must define the function",
            f"no function {name!r}",
            "check the name after the colon",
        )
    return function


@contextmanager
def told_in_a_sentence(text: str) -> Iterator[None]:
    """An error of the user's own code becomes bad input."""
    try:
        yield
    except TenfoldError:
        raise
    except (Exception, SystemExit) as error:
        raise bad_value(
            f"{text} must run",
            f"{type(error).__name__}: {' '.join(str(error).split())}",
            f"try it alone: python {text.rpartition(':')[0]}",
        ) from error


def import_file(file: Path) -> Any:
    """The file as a module, its folder importable, under a name of its own."""
    name = f"tenfold_source_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise bad_value("A source must be a Python file", file, "check the path")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that classes defined in it can be found by name
    folder = str(file.parent.resolve())
    if folder not in sys.path:  # and it stays there: functions and loaders import as they run
        sys.path.insert(0, folder)
    spec.loader.exec_module(module)
    return module


SOURCES.add("python-file", PythonFile())
