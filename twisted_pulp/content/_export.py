"""A version of a repository as a directory that clients can be served from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

from attrs import define, field, frozen
from sqlalchemy import Connection
from twisted.internet.defer import Deferred, DeferredList

from twisted_pulp.catalog import contents, versions
from twisted_pulp.catalog.versions import PublishedFile, VersionRow
from twisted_pulp.errors import NotInCatalog, NotStored, PathError, StorageError
from twisted_pulp.interfaces import ExportMode
from twisted_pulp.names import PARTIAL, inside
from twisted_pulp.threads import outlasting

__all__ = ["Exported", "export"]

_PAGE, _AT_ONCE = 1000, 32


@frozen(kw_only=True)
class Exported:
    """
    What an export has written.

    :ivar version: the number of the version.
    :ivar files: that are in the directory now, metadata aside.
    :ivar bytes: of those files.
    :ivar missing: paths of files that are not, because they were not downloaded, or are not stored any more.
    """

    version: int
    files: int
    bytes: int
    missing: tuple[str, ...]


def export(
    type: Any,
    repository: Any,
    directory: str,
    *,
    catalog: Any,
    storage: Any,
    number: int | None = None,
    mode: ExportMode = "auto",
) -> Deferred[Exported]:
    """
    Write the files of a version below *directory*, and the metadata that makes them a repository again.

    A directory that is empty, or not there, gets everything at once, or stays as it is. In another one each file is
    replaced at once, metadata last; nothing is removed. Metadata names what is there. With a mirror of which everything
    is there it is the upstream's own, byte for byte.

    :param type: an `IContentType`: that of the repository.
    :param repository: its row.
    :param directory: trusted; missing directories are made.
    :param number: of the version; default None: the latest.
    :param mode: how, as `IStorage.export` has it; default "auto".
    :raises NotInCatalog: in the Deferred, when there is no such version.
    :raises PathError: in the Deferred, when a path cannot be one below *directory*.
    :raises StorageError: in the Deferred, when something cannot be written.
    """
    return Deferred.fromCoroutine(_export(type, repository.id, directory, catalog, storage, number, mode))


async def _export(
    type: Any, repository: int, directory: str, catalog: Any, storage: Any, number: int | None, mode: ExportMode
) -> Exported:
    row = await catalog.read(_version, repository, number)
    # Whatever blocks runs in a thread of the catalog.
    directory = await catalog.read(_resolved, directory)
    temporary = f"{directory}.{token_hex(8)}{PARTIAL}"
    work = _Export(catalog, storage, mode, row, temporary)
    try:
        if await catalog.read(_in_place, directory, temporary):
            work.target = directory
        await work.files()
        await work.metadata(type)
        await catalog.read(_shown, temporary, directory, work.target == directory)
    finally:
        await outlasting(catalog.read(_removed, temporary))
    return Exported(version=row.number, files=work.count, bytes=work.bytes, missing=tuple(work.missing))


@define(eq=False)
class _Export:
    """
    One export.

    :ivar target: where files go.
    """

    _catalog: Any
    _storage: Any
    _mode: ExportMode
    _version: VersionRow
    _temporary: str
    target: str = field(init=False)
    count: int = field(init=False, default=0)
    bytes: int = field(init=False, default=0)
    missing: list[str] = field(init=False, factory=list)
    _parents: set[str] = field(init=False, factory=set)

    def __attrs_post_init__(self) -> None:
        self.target = self._temporary

    async def files(self) -> None:
        """Write the files of all units."""
        after = 0
        while True:
            after, page = await self._catalog.read(self._page, after)
            if not after:
                return
            for start in range(0, len(page), _AT_ONCE):
                await self._copy(page[start : start + _AT_ONCE])

    def _page(self, connection: Connection, after: int) -> tuple[int, list[tuple[str, Any]]]:
        """Return the number of the last unit of the next ones, or 0, and where to put which files."""
        row = self._version
        units = versions.contents(connection, row.repository_id, row.number, after=after, limit=_PAGE)
        files = contents.artifacts_of(connection, [unit.id for unit in units])
        page = [(self._place(file.path), file) for unit in units for file in files.get(unit.id, ())]
        return (units[-1].id if units else 0), page

    def _place(self, path: str) -> str:
        place = inside(self.target, path)
        if place != f"{self.target}/{path}":
            raise PathError(detail=f"{path!r} is not in Unicode's form NFC: two such names may be one file")
        parent = os.path.dirname(place)
        if parent not in self._parents:
            if os.path.realpath(parent) != parent:
                raise PathError(detail=f"{path!r} would go through a link to {os.path.realpath(parent)}")
            self._parents.add(parent)
        return place

    async def _copy(self, page: list[tuple[str, Any]]) -> None:
        there = [(place, file) for place, file in page if file.sha256 is not None]
        self.missing += [file.path for _, file in page if file.sha256 is None]
        writing = [self._storage.export(file.sha256, place, mode=self._mode) for place, file in there]
        # None of them can be broken off.
        results = await outlasting(DeferredList(writing, consumeErrors=True))
        for (_, file), (success, result) in zip(there, results, strict=True):
            if success:
                self.count += 1
                self.bytes += file.size or 0
            elif result.check(NotStored):
                self.missing.append(file.path)
            else:
                result.raiseException()

    async def metadata(self, type: Any) -> None:
        """Write the metadata to the temporary directory: the upstream's own if that is right."""
        row = self._version
        kept = {} if self.missing else await self._catalog.read(versions.kept, row.repository_id, row.number)
        try:
            for path, sha256 in kept.items():
                await outlasting(self._storage.export(sha256, inside(self._temporary, path), mode=self._mode))
        except NotStored:
            kept = {}
        if not kept:
            await outlasting(self._catalog.read(self._made, type))

    def _made(self, connection: Connection, type: Any) -> None:
        os.makedirs(self._temporary, exist_ok=True)
        type.metadata(self._published(connection), self._temporary)

    def _published(self, connection: Connection) -> Iterator[PublishedFile]:
        missing = set(self.missing)
        for each in versions.published(connection, self._version.repository_id, self._version.number):
            if each.path not in missing:
                yield each


def _version(connection: Connection, repository: int, number: int | None) -> VersionRow:
    if number is not None:
        return versions.get(connection, repository, number)
    latest = versions.latest(connection, repository)
    if latest is None:
        raise NotInCatalog("version", "latest")
    return latest


def _resolved(_: Connection, directory: str) -> str:
    return os.path.realpath(directory)


def _in_place(_: Connection, directory: str, temporary: str) -> bool:
    """Make *temporary*, and return whether *directory* has something in it."""
    try:
        os.makedirs(temporary)
        with os.scandir(directory) as entries:
            return any(True for _ in entries)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageError(f"{directory}: {error.strerror}") from error


def _shown(_: Connection, temporary: str, directory: str, in_place: bool) -> None:
    """Give everything in *temporary* its name."""
    try:
        if not in_place:
            os.rename(temporary, directory)
            return
        for parent, _names, files in os.walk(temporary):
            to = directory if parent == temporary else os.path.join(directory, os.path.relpath(parent, temporary))
            os.makedirs(to, exist_ok=True)
            for name in files:
                os.replace(os.path.join(parent, name), os.path.join(to, name))
    except OSError as error:
        raise StorageError(f"{directory}: {error.strerror}") from error


def _removed(_: Connection, temporary: str) -> None:
    shutil.rmtree(temporary, ignore_errors=True)
