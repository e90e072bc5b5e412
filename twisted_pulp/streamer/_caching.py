"""How long the files of a tree that is pulled through are kept, as a Distribution says it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from attrs import evolve, field, fields, frozen

from twisted_pulp.errors import SettingsError

__all__ = ["DEFAULT", "Caching", "caching_of"]

_TIMES = ("max_age", "heuristic_max", "stale_if_error", "stale_while_revalidate", "negative")


@frozen(kw_only=True)
class Caching:
    """
    How long files that may change are kept; times are in seconds.

    :ivar max_age: a file counts as fresh for so long, whatever the upstream says about it; default None: what it says.
    :ivar heuristic: where the upstream says nothing: a file counts as fresh for this share of its age; default 0.1.
    :ivar heuristic_max: and at most for this; default 600.
    :ivar stale_if_error: for so long after that a stale file is given out when the upstream fails; default a day. What
        the response says goes before it, and so does its ``must-revalidate``.
    :ivar stale_while_revalidate: for so long a stale file is given out while it is asked for in the background;
        default 0. What the response says goes before it.
    :ivar negative: for so long the upstream is not asked again for what it does not have (404, 410); default 60.
    :ivar largest: bytes of the largest file that is kept; default 512 MiB. What is larger is passed on.
    :ivar store_private: whether responses with ``private`` are kept: the one user of whom the upstream knows is this
        Distribution; default false.
    """

    max_age: float | None = None
    heuristic: float = 0.1
    heuristic_max: float = 600.0
    stale_if_error: float = 86400.0
    stale_while_revalidate: float = 0.0
    negative: float = 60.0
    largest: int = 512 << 20
    store_private: bool = False
    _overrides: tuple[tuple[str, Caching], ...] = field(default=(), alias="overrides")

    def of(self, path: str) -> Caching:
        """Return what holds for *path*, relative and decoded: the first override whose pattern fits, or this."""
        return next((caching for pattern, caching in self._overrides if fnmatchcase(path, pattern)), self)


DEFAULT = Caching()
_NAMES = {each.name for each in fields(Caching)} - {"_overrides"}


def caching_of(settings: Any) -> Caching:
    """
    Return what the ``cache`` of a Distribution's settings says.

    It has the names of `Caching`, and ``overrides``: shell patterns of paths, in which ``*`` matches slashes, too, each
    with those of the names that are different there. The first that fits counts.

    :raises SettingsError: when something is not what it must be.
    """
    given = dict(_mapping("cache", settings))
    overrides = given.pop("overrides", {})
    made = _changed(DEFAULT, "cache", given)
    others = [
        (pattern, _changed(made, f"cache.overrides.{pattern}", each))
        for pattern, each in _mapping("cache.overrides", overrides).items()
    ]
    return evolve(made, overrides=tuple(others))


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SettingsError(name, value, "a table of names and values")
    return value


def _changed(caching: Caching, where: str, given: Any) -> Caching:
    for name, value in _mapping(where, given).items():
        if name not in _NAMES:
            raise SettingsError(f"{where}.{name}", value, f"one of {', '.join(sorted(_NAMES))}")
        _check(f"{where}.{name}", name, value)
    return evolve(caching, **given)


def _check(where: str, name: str, value: Any) -> None:
    if name == "store_private":
        if not isinstance(value, bool):
            raise SettingsError(where, value, "true or false")
        return
    if name == "max_age" and value is None:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    if name == "largest" and not (number and isinstance(value, int)):
        raise SettingsError(where, value, "a whole number of bytes")
    if not number or (name == "heuristic" and value > 1):
        raise SettingsError(where, value, "a share from 0 to 1" if name == "heuristic" else "seconds, 0 or more")
