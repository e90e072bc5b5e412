"""Files of upstreams of which the catalog knows something: pages have named them, or they have been fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from twisted_pulp.catalog import Catalog, artifacts, links, pulled
from twisted_pulp.catalog.artifacts import Stored
from twisted_pulp.catalog.links import LinkRow
from twisted_pulp.catalog.pulled import PulledFile
from twisted_pulp.streamer._gathered import Gathered
from twisted_pulp.streamer._links import Link
from twisted_pulp.streamer._recent import Recent
from twisted_pulp.streamer._upstream import Spot

__all__ = ["KnownFile", "KnownFiles"]

#: Digests by which a file is found among what is stored.
_STRONG = ("sha256", "sha384", "sha512")
# Seconds for which a Remote counts as one whose pages have named nothing, and how many such are remembered.
_FRESH, _MOST = 1.0, 1000


@frozen
class KnownFile:
    """
    What the catalog knows of a file of an upstream.

    :ivar link: what a page has said of it, or None.
    :ivar pulled: what came from there once, if that is what the page means; or None.
    :ivar stored: something else that is stored and has the digests that the page tells; or None.
    """

    link: LinkRow | None = None
    pulled: PulledFile | None = None
    stored: Stored | None = None


class KnownFiles:
    """
    Find what the catalog knows of files of upstreams.

    :param catalog: knows it.
    :param now: seconds since the epoch.
    :param seconds: the reactor's clock.
    :param clock: whose turns gather questions; None: none do.
    """

    def __init__(
        self,
        catalog: Catalog,
        now: Callable[[], float],
        seconds: Callable[[], float],
        clock: IReactorTime | None = None,
    ) -> None:
        self._catalog, self._now, self._seconds = catalog, now, seconds
        self._gathered = Gathered(catalog, _found_each, clock)
        # Most Remotes have no pages that name files: those are not looked for each time.
        self._silent: Recent[int, float] = Recent(_MOST)

    async def find(self, remote_id: int, spot: Spot, immutable: bool) -> KnownFile:
        """
        Return what is known of a file of a Remote.

        :param immutable: whether it never changes, whatever pages say about it.
        """
        named = spot.name is not None and (
            spot.place is None or self._seconds() >= (self._silent.get(remote_id) or 0.0)
        )
        if not named and not immutable:
            return KnownFile()
        url = None if spot.place is None else spot.place.name
        silent, found = await self._gathered.read(_found, remote_id, url, spot.name if named else None, immutable)
        if silent and named:
            self._silent.put(remote_id, self._seconds() + _FRESH)
        return found

    def learn(self, remote_id: int, named: Iterable[Link]) -> Deferred[bool]:
        """Return a Deferred of whether a page has now said something else of a file than was said before."""
        rows = [LinkRow(link.name, link.url, link.digests) for link in named]
        self._silent.drop(remote_id)
        return self._catalog.write(links.save, remote_id, rows, self._now())


def _found_each(connection: Connection, asked: Sequence[tuple[Any, ...]]) -> list[tuple[bool, KnownFile]]:
    """Answer many; most are about files that no page has named, of one Remote: one statement looks for all of them."""
    plain: dict[int, set[str]] = {}
    for remote_id, url, name, immutable in asked:
        if url is not None and name is None and immutable:
            plain.setdefault(remote_id, set()).add(url)
    files = {number: pulled.find_each(connection, number, urls) for number, urls in plain.items()}
    return [
        (False, KnownFile(None, files[remote_id].get(url)))
        if url is not None and name is None and immutable
        else _found(connection, remote_id, url, name, immutable)
        for remote_id, url, name, immutable in asked
    ]


def _found(
    connection: Connection, remote_id: int, url: str | None, name: str | None, immutable: bool
) -> tuple[bool, KnownFile]:
    link = None if name is None else links.find(connection, remote_id, name)
    silent = link is None and name is not None and not links.some(connection, remote_id)
    told = {} if link is None else link.digests
    place = link.name if url is None and link is not None else url
    if place is None or not (told or immutable):
        return silent, KnownFile(link)
    file = pulled.find(connection, remote_id, place)
    if file is not None and told.get("sha256") in (None, file.sha256):
        return silent, KnownFile(link, file)
    strong = [(each, told[each]) for each in _STRONG if each in told][:1]
    stored = artifacts.find(connection, strong) if strong else {}
    return silent, KnownFile(link, None, next(iter(stored.values()), None))
