"""
A TCP proxy that spoils what passes: slow, late, in slices, stalled, cut or reset.

Use the ``faulty`` fixture, which stands before ``scripted``, or ``start_faulty(port)``::

    faulty.to_client.reset_after = 65_536
    faulty.to_client.latency = 0.05
    await faulty.down()      # all connections reset, new ones refused
    faulty.up()              # the same port again
"""

from __future__ import annotations

import random

from attrs import define, field
from twisted.internet.defer import gatherResults, maybeDeferred
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import ServerFactory

from tests.servers.link import End, Link
from tests.servers.reactor import IReactor
from tests.servers.toxics import Toxics

__all__ = ["Faulty", "Toxics"]


@define(eq=False)
class Faulty(ServerFactory):
    """
    A fault proxy before a port of 127.0.0.1.

    :ivar upstream: the port that connections are passed on to.
    :ivar to_client: what happens to responses.
    :ivar to_server: what happens to requests.
    :ivar rng: draws what is left to chance.
    :ivar accepted: connections accepted so far.
    :ivar high_water: the most connections that were open at once.
    """

    reactor: IReactor
    upstream: int
    rng: random.Random = field(factory=lambda: random.Random(0))
    to_client: Toxics = field(init=False, factory=Toxics)
    to_server: Toxics = field(init=False, factory=Toxics)
    port: int = field(init=False, default=0)
    accepted: int = field(init=False, default=0)
    high_water: int = field(init=False, default=0)

    _links: set[Link] = field(init=False, factory=set)
    _sent_by_lost: list[int] = field(init=False, factory=lambda: [0, 0])
    _listening: IListeningPort | None = field(init=False, default=None)

    def up(self) -> None:
        """Listen, the first time on any free port and then always on the same."""
        if self._listening is None:
            self._listening = self.reactor.listenTCP(self.port, self, backlog=1024, interface="127.0.0.1")
            self.port = self._listening.getHost().port  # type: ignore[attr-defined]

    async def refuse(self) -> None:
        """Refuse new connections until `up`; those that are open stay."""
        listening, self._listening = self._listening, None
        if listening is not None:
            await maybeDeferred(listening.stopListening)

    async def down(self) -> None:
        """Reset every connection and refuse new ones until `up`; return when all are gone."""
        await self.refuse()
        self.drop()
        await gatherResults([link.over for link in self._links])

    def drop(self) -> None:
        """Reset every connection."""
        for link in list(self._links):
            link.reset()

    def clear(self) -> None:
        """Take every fault back."""
        self.to_client.clear()
        self.to_server.clear()

    def url(self, path: str = "/", scheme: str = "http", host: str = "127.0.0.1") -> str:
        """Give the URL of *path* through this proxy."""
        return f"{scheme}://{host}:{self.port}{path}"

    @property
    def live(self) -> int:
        """Count the connections open now."""
        return len(self._links)

    @property
    def bytes_to_client(self) -> int:
        """Count what clients were sent so far."""
        return self._sent_by_lost[0] + sum(link.client.sent for link in self._links)

    @property
    def bytes_to_server(self) -> int:
        """Count what the upstream was sent so far."""
        return self._sent_by_lost[1] + sum(link.server.sent for link in self._links)

    # For links

    def left(self, link: Link) -> None:
        """Count *link* out."""
        self._links.discard(link)
        self._sent_by_lost[0] += link.client.sent
        self._sent_by_lost[1] += link.server.sent

    def buildProtocol(self, addr: IAddress | None) -> End:
        link = Link(self)
        self.accepted += 1
        self._links.add(link)
        self.high_water = max(self.high_water, len(self._links))
        return link.client
