"""The few lines behind every extension point: a file that registers itself is found."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from tenfold.errors import unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """Named instances, in the order of their registration."""

    def __init__(self, kind: str, package: str) -> None:
        self._kind = kind
        self._package = package
        self._items: dict[str, T] = {}
        self._loaded = False

    def add(self, name: str, item: T) -> T:
        """Register ``item``; a name can be taken once."""
        if name in self._items:
            raise ValueError(f"{self._kind} {name!r} is registered already")
        self._items[name] = item
        return item

    @contextmanager
    def adding(self, name: str, item: T) -> Iterator[T]:
        """``item`` is registered inside the block only."""
        self._load()
        try:
            yield self.add(name, item)
        finally:
            self._items.pop(name)

    def values(self) -> tuple[T, ...]:
        """The items in the order of their registration."""
        self._load()
        return tuple(self._items.values())

    def __getitem__(self, name: str) -> T:
        self._load()
        try:
            return self._items[name]
        except KeyError:
            raise unknown_name(self._kind, name, self._items) from None

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(tuple(self._items))

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._items

    def _load(self) -> None:
        """Import every module of the package once, so that each can register itself."""
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self._package)
        for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
            importlib.import_module(f"{self._package}.{module}")


class View(Generic[T]):
    """What a function lists of a registry, by names that may be others than the registry's."""

    def __init__(self, kind: str, pairs: Callable[[], Iterable[tuple[str, T]]]) -> None:
        self._kind = kind
        self._pairs = pairs

    def __getitem__(self, name: str) -> T:
        items = dict(self._pairs())
        try:
            return items[name]
        except KeyError:
            raise unknown_name(self._kind, name, items) from None

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._pairs()))

    def __contains__(self, name: object) -> bool:
        return name in dict(self._pairs())
