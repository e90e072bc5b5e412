"""Where the files of a manifest are."""

from __future__ import annotations

import re
from urllib.parse import quote

from twisted_pulp.urls import join

__all__ = ["directory_of", "url_of"]

_PLAIN = re.compile(r"[A-Za-z0-9_.~/-]+").fullmatch


def directory_of(url: str) -> str:
    """
    Return the URL of the directory that the manifest at *url* is in, with a slash at its end; a query is left out.

    :raises SettingsError: when *url* is none that can be asked for.
    """
    return join(url, "./")


def url_of(directory: str, path: str) -> str:
    """
    Return the URL of the file at *path* below *directory*.

    A path is a file's name and no part of a URL, whatever is in it, so everything but the slashes is encoded: `%`, `:`,
    `?`, `#` and `;` too. file:// URLs are no exception: whoever opens them decodes.

    :param directory: as `directory_of` returns it.
    :param path: an entry's: relative, without parts that are empty, "." or "..".
    """
    return directory + (path if _PLAIN(path) else quote(path, safe="/"))
