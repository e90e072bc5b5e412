"""Kinds of fields that several settings have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from attrs import Attribute, field

from twisted_pulp.errors import SettingsError

__all__ = ["choice", "flag", "one_line", "part", "texts"]


def flag(default: bool) -> Any:
    """Return a field that is true or false."""

    def check(_: object, attribute: Attribute[bool], value: object) -> None:
        if not isinstance(value, bool):
            raise SettingsError(attribute.name, value, "true or false")

    return field(default=default, validator=check)


def part(kind: type, *, none: bool = False) -> Any:
    """Return a field with settings of class *kind*; by default its defaults, or None if *none*."""
    words = f"a {kind.__name__}" + (", or none" if none else "")

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, kind) and not (none and value is None):
            raise SettingsError(attribute.name, value, words)

    return field(default=None, validator=check) if none else field(factory=kind, validator=check)


def choice(default: str | None, *allowed: str | None) -> Any:
    """Return a field that is one of *allowed*."""
    words = " or ".join(filter(None, (", ".join(each or "none" for each in allowed[:-1]), allowed[-1] or "none")))

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if value not in allowed:
            raise SettingsError(attribute.name, value, words)

    return field(default=default, validator=check)


def one_line(*, secret: bool = False) -> Any:
    """Return a field of text without control characters, or None, the default; *secret* keeps it from being shown."""

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if value is not None and (not isinstance(value, str) or not value or not value.isprintable()):
            raise SettingsError(attribute.name, "***" if secret else value, "text of one line, or none")

    return field(default=None, validator=check, repr=not secret)


def _tuple(value: Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def texts(shown: Callable[[Any], str] | None = None) -> Any:
    """Return a field of a tuple of texts, by default none; one text stands for itself; *shown* is its repr."""
    return field(default=(), converter=_tuple, repr=True if shown is None else shown)
