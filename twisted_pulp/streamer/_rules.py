"""What a Distribution says about the files of a tree that is pulled through."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import translate
from typing import Any

from attrs import field, frozen

from twisted_pulp.errors import SettingsError
from twisted_pulp.streamer._caching import DEFAULT, Caching, caching_of

__all__ = ["IMMUTABLE", "Rules", "rules_of"]

#: Files that never change under their path, by the customs of those who publish them.
IMMUTABLE = (
    "*/by-hash/*",
    "*.deb",
    "*.udeb",
    "*.ddeb",
    "*.rpm",
    "*.drpm",
    "*.whl",
    "*.whl.metadata",
    "packages/??/??/*",
    "*.crate",
    "*.gem",
    "*/repodata/" + "?" * 64 + "-*",
    "repodata/" + "?" * 64 + "-*",
)


def _pattern(globs: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(each) for each in globs) or r"(?!)")


@frozen
class Rules:
    """
    What a Distribution says about the files of a tree that is pulled through.

    :ivar early_ranges: whether a part of a file goes out before the whole of it is verified.
    :ivar caching: how long those that may change are kept.
    """

    _immutable: re.Pattern[str] = field(repr=False)
    early_ranges: bool = False
    caching: Caching = DEFAULT

    def immutable(self, path: str) -> bool:
        """Return whether the file at *path*, relative and decoded, never changes."""
        return self._immutable.match(path) is not None


_DEFAULT = _pattern(IMMUTABLE)


def rules_of(settings: Mapping[str, Any]) -> Rules:
    """
    Return the rules that the settings of a Distribution have.

    ``immutable``: shell patterns of relative paths, in which ``*`` matches slashes, too; default: `IMMUTABLE`.
    ``early_ranges``: default false.
    ``cache``: see `twisted_pulp.streamer._caching.caching_of`.

    :raises SettingsError: when one of them is not what it must be.
    """
    globs, early = settings.get("immutable"), settings.get("early_ranges", False)
    if globs is not None and (
        not isinstance(globs, list | tuple) or not all(isinstance(each, str) and each for each in globs)
    ):
        raise SettingsError("immutable", globs, "a list of patterns, such as *.deb")
    if not isinstance(early, bool):
        raise SettingsError("early_ranges", early, "true or false")
    caching = caching_of(settings["cache"]) if "cache" in settings else DEFAULT
    return Rules(_DEFAULT if globs is None else _pattern(globs), early, caching)
