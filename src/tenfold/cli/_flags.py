"""Flags made from the fields of settings: name, type, help, default, and the names to choose from.

A command says which it takes, and gets their values in one mapping.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from functools import wraps
from typing import Annotated, Any, Optional, get_args, get_type_hints

import typer

from tenfold.formats import FORMATS
from tenfold.search import METHODS
from tenfold.sense.stage import KINDS
from tenfold.settings.fields import about, fields_of, kind_of, may_be_none, range_of

# Names that a registry knows; other settings state theirs as choices.
KNOWN: Mapping[str, Iterable[str]] = {"formats": FORMATS, "method": METHODS, "metric": KINDS}
Command = Callable[..., None]


def flags_of(cls: type, *names: str) -> dict[str, Any]:
    """Annotations for Typer by name: of these fields of settings, or of all."""
    return {name: make_flag(cls, name) for name in names or fields_of(cls)}


def make_flag(cls: type, name: str) -> Any:
    """The flag of a field; None, its default, leaves the setting as it is."""
    option = typer.Option(help=say_field(cls, name))
    return Annotated[Optional[flag_type(cls, name)], option]  # noqa: UP045


def flag_type(cls: type, name: str) -> Any:
    """Known names are one text with commas, patterns are repeated; ``none`` needs a text."""
    kind = kind_of(cls, name)
    if kind is tuple:
        return str if choices_of(cls, name) else list[str]
    none_differs = may_be_none(cls, name) and fields_of(cls)[name].default is not None
    return str if none_differs else kind


def choices_of(cls: type, name: str) -> tuple[str, ...]:
    """The names that a field may hold; empty where it takes others."""
    return tuple(KNOWN.get(name, range_of(fields_of(cls)[name]).choices))


def say_field(cls: type, name: str) -> str:
    """The help of a field, then its choices or its default."""
    field, choices = fields_of(cls)[name], choices_of(cls, name)
    if choices and kind_of(cls, name) is tuple:
        return f"{about(field)} Any of {', '.join(choices)}, joined by commas."
    if choices:
        marked = [f"{one} (default)" if one == field.default else one for one in choices]
        return f"{about(field)} One of {', '.join(marked)}."
    if field.default in (None, ()):
        return about(field)
    return f"{about(field)} By default {field.default}."


def in_panel(title: str, flags: Mapping[str, Any]) -> dict[str, Any]:
    """The same flags under a title of their own in the help."""

    def moved(flag: Any) -> Any:
        kind, option = get_args(flag)
        option = copy(option)
        option.rich_help_panel = title
        return Annotated[kind, option]

    return {name: moved(flag) for name, flag in flags.items()}


def with_flags(flags: Mapping[str, Any]) -> Callable[[Command], Command]:
    """Give a command these flags; their values are its first argument, a mapping by name, with
    None for what was left out."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def run(**values: Any) -> None:
            command({name: values.pop(name) for name in flags}, **values)

        hints = get_type_hints(command, include_extras=True)
        _, *others = inspect.signature(command).parameters.values()
        own = {each.name: hints[each.name] for each in others}
        defaults = {**dict.fromkeys(flags), **{each.name: each.default for each in others}}
        run.__annotations__ = {**flags, **own}
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(
                    name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=defaults[name],
                    annotation=annotation,
                )
                for name, annotation in run.__annotations__.items()
            ]
        )
        return run

    return decorate
