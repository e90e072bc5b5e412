"""Cleanup: what nothing refers to any more goes, after a while."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from attrs import define
from twisted.internet.defer import Deferred

from twisted_pulp.catalog import artifacts, contents, links, pulled

if TYPE_CHECKING:
    from twisted_pulp.catalog import Catalog
    from twisted_pulp.interfaces import IStorage

__all__ = ["Cleaned", "Cleanup"]

#: Rows, or files, that are looked at and removed at once.
_PAGE = 200


@define(kw_only=True)
class Cleaned:
    """
    What a cleanup has removed.

    :ivar content: units that no version of a repository has.
    :ivar artifacts: artifacts that no unit has.
    :ivar files: stored files that the catalog did not know.
    :ivar bytes: of the artifacts and files.
    :ivar pulled: files of Remotes that were fetched for clients and not wanted for long.
    :ivar links: files that pages of Remotes have named, and do not name any more.
    """

    content: int = 0
    artifacts: int = 0
    files: int = 0
    bytes: int = 0
    pulled: int = 0
    links: int = 0


class Cleanup:
    """
    Remove content, artifacts and stored files that nothing refers to.

    What was wanted within the grace period stays: a sync that runs may have stored it, and not yet said what for.
    An artifact goes from the catalog first: if we are killed before its file goes too, the next cleanup finds the file.
    If a sync takes a file for its own in the moment in which it goes, the catalog forgets that it was downloaded.
    """

    def __init__(
        self,
        catalog: Catalog,
        storage: IStorage,
        *,
        grace: float = 86400.0,
        unused: float | None = None,
        capacity: int | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        :param grace: seconds; default a day.
        :param unused: seconds after which files that were pulled through a Remote go if nobody wanted them, and what
            its pages named if they do not any more; wants are noted once a day. Default None: never.
        :param capacity: bytes of files that were pulled through that may stay, those that were wanted last; default
            None: all.
        :param now: seconds since the epoch.
        """
        self._catalog, self._storage, self._grace, self._now = catalog, storage, grace, now
        self._unused, self._capacity = unused, capacity
        self.done = Cleaned()

    def run(self) -> Deferred[Cleaned]:
        """
        Remove all of it.

        :returns: a Deferred of what was removed; to cancel it ends the work.
        """
        return Deferred.fromCoroutine(self._run())

    async def _run(self) -> Cleaned:
        before = self._now() - self._grace
        await self._pulled()
        await self._contents(before)
        await self._artifacts(before)
        async for page in self._old_files(before):
            await self._files(page)
        return self.done

    async def _pulled(self) -> None:
        if self._unused is not None:
            before = self._now() - self._unused
            self.done.pulled += await self._catalog.write(pulled.evict, before)
            self.done.links += await self._catalog.write(links.prune, before)
        while self._capacity is not None:
            gone = await self._catalog.write(pulled.shrink, self._capacity, _PAGE)
            self.done.pulled += gone
            if gone < _PAGE:
                break

    async def _contents(self, before: float) -> None:
        while removed := await self._catalog.write(contents.delete_orphans, before, _PAGE):
            self.done.content += len(removed)

    async def _artifacts(self, before: float) -> None:
        while removed := await self._catalog.write(artifacts.delete_orphans, before, _PAGE):
            await self._remove([each.sha256 for each in removed])
            self.done.artifacts += len(removed)
            self.done.bytes += sum(each.size for each in removed)

    async def _remove(self, sha256s: list[str]) -> int:
        removed = await self._storage.remove(sha256s)
        # A sync may have found one of them in the storage, and have taken it for its own, a moment before it went.
        known = await self._catalog.read(artifacts.find, [("sha256", sha256) for sha256 in sha256s])
        if known:
            stored = await self._storage.has([each.sha256 for each in known.values()])
            lost = [each.id for each in known.values() if each.sha256 not in stored]
            await self._catalog.write(artifacts.delete, lost)
        return removed

    async def _old_files(self, before: float) -> AsyncIterator[dict[str, int]]:
        page: dict[str, int] = {}
        async for sha256, size, stored in self._storage.each():
            if stored < before:
                page[sha256] = size
            if len(page) == _PAGE:
                yield page
                page = {}
        if page:
            yield page

    async def _files(self, page: dict[str, int]) -> None:
        known = await self._catalog.read(artifacts.find, [("sha256", sha256) for sha256 in page])
        unknown = [sha256 for sha256 in page if ("sha256", sha256) not in known]
        if unknown:
            self.done.files += await self._remove(unknown)
            self.done.bytes += sum(page[sha256] for sha256 in unknown)
