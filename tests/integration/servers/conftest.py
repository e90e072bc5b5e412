"""Plain sockets for the tests of servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pytest_twisted import async_yield_fixture

from tests.servers.client import Connect, Listening, Socket
from tests.servers.fixtures import in_time
from tests.servers.reactor import IReactor


@async_yield_fixture
async def connect(reactor: IReactor) -> AsyncIterator[Connect]:
    """Connect to a server's port; the sockets are gone at the end."""
    made: list[Socket] = []

    async def connected(server: Listening) -> Socket:
        made.append(await Socket.to(reactor, server.port))
        return made[-1]

    yield connected
    for socket in made:
        await in_time(reactor, socket.leave())
