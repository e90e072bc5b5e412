"""What the catalog says about a path of a version, read in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from attrs import frozen
from sqlalchemy import Connection

from twisted_pulp.catalog import Key, artifacts, paths, sources
from twisted_pulp.catalog.paths import FileAt, Name
from twisted_pulp.catalog.sources import SourceRow
from twisted_pulp.streamer._bases import Known, reached

__all__ = ["LISTED", "AtPath", "at_path"]

#: Digests that prove a file: by one of these it is found among what is stored.
_STRONG = ("sha256", "sha384", "sha512")
#: Names of a directory on one page.
LISTED = 1000


@frozen
class AtPath:
    """
    What the catalog says about a path of a version.

    :ivar file: that is there, or None.
    :ivar sources: of a file that is not stored.
    :ivar remotes: that reach these.
    :ivar names: of a directory that is there; `LISTED` of them, and one if there are more.
    """

    file: FileAt | None = None
    sources: tuple[SourceRow, ...] = ()
    remotes: Known = MappingProxyType({})
    names: tuple[Name, ...] = ()


def at_path(
    connection: Connection,
    repository_id: int,
    number: int,
    path: str,
    after: Name | None,
    missing: bool,
    known: Callable[[int], Any],
    key: Key | None,
) -> AtPath:
    """
    Return what there is at *path* of a version.

    :param after: the last name of the page before, if *path* is a directory's.
    :param missing: whether a file is to be fetched although the catalog says that it is stored.
    :param known: Remotes as they were last read.
    :param key: opens the secrets of the others.
    """
    if path and not path.endswith("/"):
        file = paths.at(connection, repository_id, number, path)
        if file is not None:
            return AtPath(file) if file.sha256 is not None and not missing else _cold(connection, file, known, key)
        path += "/"
        return AtPath(names=tuple(paths.names(connection, repository_id, number, path, limit=1)))
    return AtPath(names=tuple(paths.names(connection, repository_id, number, path, after, LISTED + 1)))


def _cold(connection: Connection, file: FileAt, known: Callable[[int], Any], key: Key | None) -> AtPath:
    strong = [(name, file.digests[name]) for name in _STRONG if name in file.digests]
    stored = artifacts.find(connection, strong[:1])
    if file.sha256 is None and stored:  # something else has brought the very same bytes
        (artifact,) = stored.values()
        return AtPath(FileAt(file.id, artifact.sha256, artifact.size, file.digests, file.modified))
    rows = [] if file.id is None else sources.of_file(connection, file.id)
    ids = tuple({row.remote_id for row in rows if row.remote_id is not None})
    return AtPath(file, tuple(rows), reached(connection, ids, known, key))
