"""A server, and everything that it can be asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from attrs import evolve

from twisted_pulp.client._events import Event, Events
from twisted_pulp.client._jobs import Jobs
from twisted_pulp.client._named import Named
from twisted_pulp.client._repositories import Repositories
from twisted_pulp.client._wire import Wire, path_of
from twisted_pulp.context import Context
from twisted_pulp.documents import (
    Cluster,
    Distribution,
    Job,
    NewToken,
    PutAside,
    Readiness,
    Remote,
    Repository,
    Schedule,
    Status,
    Storage,
    Token,
    TokenSecret,
)
from twisted_pulp.errors import SettingsError
from twisted_pulp.settings import Network
from twisted_pulp.settings import Remote as Reach

__all__ = ["Client"]

_API = "/api/v1"


class Client:
    """
    A client of a daemon's API.

    Everything that asks returns a coroutine, for `twisted.internet.defer.Deferred.fromCoroutine`; lists are iterated
    over with `async for`, and fetched a page at a time. Everything raises `ServerError` with what the server refuses,
    and `ServerUnreachable` when none answers. What does no harm twice is tried four times.

    :param context: whose connections are used; it is not closed.
    :param url: of the server, as ``https://packages.example.com:8080``, or ``unix:PATH`` for its socket.
    :param token: of the API; default None: none, as a socket needs none.
    :param reach: how the server is reached: CA bundle, proxy, timeouts; default: every default.
    :raises SettingsError: when *url* is none.
    :ivar jobs: its work.
    :ivar remotes: how it reaches upstreams.
    :ivar repositories: what it has.
    :ivar distributions: what it serves.
    :ivar schedules: what it does again and again.
    """

    def __init__(self, context: Context, url: str, *, token: str | None = None, reach: Reach | None = None) -> None:
        reach = reach or Reach()
        if url.startswith("unix:"):
            reach = evolve(reach, network=Network(unix_socket=url[5:]))
            url = "http://localhost"
        if not url.startswith(("http://", "https://")):
            raise SettingsError("server", url, "http://HOST:PORT, https://HOST:PORT or unix:PATH")
        root = url.rstrip("/")
        self._reactor = context.reactor
        self._wire = wire = Wire(context, f"{root}{_API}", evolve(reach, url=f"{root}{_API}/", token=token))
        self.jobs = Jobs(wire, context.reactor)
        self.remotes: Named[Remote] = Named(wire, "remotes", Remote)
        self.repositories = Repositories(wire, "repositories", Repository)
        self.distributions: Named[Distribution] = Named(wire, "distributions", Distribution)
        self.schedules: Named[Schedule] = Named(wire, "schedules", Schedule)

    async def status(self) -> Status:
        """Return what the daemon is and does."""
        return await self._wire.get(Status, "/status")

    async def ready(self) -> Readiness:
        """Return whether the daemon takes work; `ServerError` 503 when it does not."""
        return await self._wire.get(Readiness, "/ready")

    async def cluster(self) -> Cluster:
        """Return the daemons that share its catalog, and what they share; a refusal is told as it is, at once."""
        return await self._wire.get(Cluster, "/cluster", patient=False)

    def dead_letters(self) -> AsyncIterator[PutAside]:
        """Return messages that the broker has put aside, the oldest first; a refusal is told as it is, at once."""
        return self._wire.pages(PutAside, "/dead-letters", patient=False, limit=1000)

    async def replay(self, uid: str) -> Job:
        """Let a job whose message was put aside wait again."""
        return await self._wire.send("POST", path_of("dead-letters", uid, "replay"), Job)  # type: ignore[no-any-return]

    async def storage(self) -> Storage:
        """Return how much is kept."""
        return await self._wire.get(Storage, "/storage")

    def events(self, last_id: str | None = None) -> AsyncGenerator[Event]:
        """
        Return what happens, as it happens: to jobs that the token may see, and to the daemon.

        When the connection ends or says nothing for 45 s there is another one after a while, and nothing is missed. A
        server that cannot be reached for five minutes is given up.

        :param last_id: what is known already, as `Status.last` or `Event.id`; default None: everything that is over.
        """
        return Events(self._wire, self._reactor, last_id).each()

    async def settings(self) -> dict[str, Any]:
        """Return the daemon's settings, without their secrets."""
        return await self._wire.get(dict[str, Any], "/settings")

    def tokens(self) -> AsyncIterator[Token]:
        """Return all tokens; of what they are nothing."""
        return self._wire.pages(Token, "/tokens", limit=1000)

    async def create_token(self, new: NewToken) -> TokenSecret:
        """Make a token, whose secret is shown this once."""
        return await self._wire.send("POST", "/tokens", TokenSecret, new)  # type: ignore[no-any-return]

    async def delete_token(self, number: int) -> None:
        """Let a token end."""
        await self._wire.send("DELETE", path_of("tokens", number))
