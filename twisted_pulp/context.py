"""What all downloads share."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.web.iweb import IAgent

from twisted_pulp.downloader import Downloader
from twisted_pulp.http import (
    Cap,
    ConnectionPool,
    DecodeAgent,
    Endpoints,
    ErrorAgent,
    HeaderAgent,
    HTTPAgent,
    LimitAgent,
    RedirectAgent,
    Resolver,
    StatusAgent,
    Watch,
)
from twisted_pulp.interfaces import IDownloader
from twisted_pulp.schemes import FileAgent, SchemeAgent, third_party
from twisted_pulp.settings import Remote
from twisted_pulp.transfer import Health, Hooks, WriterThreads

__all__ = ["Context"]

_USER_AGENT = "twisted_pulp/0.1.0"
_FOREVER = 1 << 63
_OTHERS = 64


class Context:
    """
    Connections, caps, threads and what is known of hosts, for any number of Downloaders of different Remotes.

    :param reactor: the reactor that runs.
    :param connections: connections open at once over all; default 100. Fewer where the process may not open that many
        files: each needs a socket and a file, and 64 are left for others.
    :param per_host: connections open at once to each host and port; default 8.
    :param uniform: as `random.uniform`, the default; for jitter.
    :param now: seconds since the epoch, as `time.time`, the default.
    :raises SettingsError: when a cap is not a whole number from 1.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        connections: int = 100,
        per_host: int = 8,
        uniform: Callable[[float, float], float] = random.uniform,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.reactor, self.uniform, self.now = reactor, uniform, now
        self.watch = Watch(reactor)
        connections = _affordable(connections)
        self.pool = ConnectionPool(reactor, connections=connections, per_host=per_host, watch=self.watch)
        self.resolver = Resolver(reactor)
        self.threads = WriterThreads(reactor)
        self.health = Health(reactor.seconds)
        self.paths: set[str | None] = set()
        self._onions: dict[int, tuple[Remote, IAgent, IAgent]] = {}
        self._downloaders: dict[Any, None] = {}

    def downloader(
        self, remote: Remote | None = None, *, hooks: Hooks | None = None, directory: str | None = None, force: bool = False
    ) -> IDownloader:
        """
        Return a Downloader for *remote*: the one place where they come from.

        :param remote: default None: one with every default, for any URL.
        :param hooks: called as downloads go on; default none.
        :param directory: paths are relative to it, and nothing is written outside; default None: paths are trusted.
        :param force: whether files that are present are fetched again; default false.
        """
        made = Downloader(self, remote or Remote(), hooks=hooks or Hooks(), directory=directory, force=force)
        self._downloaders[made] = None
        return made

    def agent(self, remote: Remote) -> IAgent:
        """Return the agent that reaches *remote*: for artifacts, byte for byte, with 400 and above as errors."""
        return self._onion(remote)[1]

    def metadata_agent(self, remote: Remote) -> IAgent:
        """Return the agent that reaches *remote* for metadata: bodies are decoded with a cap, and every status is an answer."""
        return self._onion(remote)[2]

    def _onion(self, remote: Remote) -> tuple[Remote, IAgent, IAgent]:
        known = self._onions.get(id(remote))
        if known is None:
            known = self._onions[id(remote)] = (remote, *self._made(remote))
        return known

    def _made(self, remote: Remote) -> tuple[IAgent, IAgent]:
        limits = remote.limits
        cap = None if limits.connections is None else Cap(limits.connections)
        endpoints = Endpoints(self.reactor, self.resolver, self.watch, remote.tls, remote.timeouts, cap)
        http = HTTPAgent(self.reactor, endpoints, self.pool)
        file = FileAgent(remote.file_roots, self.threads.lane())
        schemes = _Schemes({b"http": http, b"https": http, b"file": file}, self.reactor, remote)
        checked = ErrorAgent(SchemeAgent(schemes))
        plain = RedirectAgent(LimitAgent(checked, _FOREVER if limits.max_size is None else limits.max_size), limits.redirects)
        artifacts = StatusAgent(HeaderAgent(plain, remote, _USER_AGENT))
        metadata = DecodeAgent(HeaderAgent(RedirectAgent(checked, limits.redirects), remote, _USER_AGENT), limits.max_metadata_size)
        return artifacts, metadata

    def forget(self, downloader: object) -> None:
        """*downloader* is closed."""
        self._downloaders.pop(downloader, None)

    def close(self) -> Deferred[None]:
        """End every Downloader, close every connection, and leave no thread and no timer."""
        ended = DeferredList([downloader.close() for downloader in list(self._downloaders)])
        return ended.addCallback(lambda _: self.pool.close()).addCallback(self._stopped)

    def _stopped(self, _: object) -> None:
        self.threads.close()
        self.watch.stop()

    def __repr__(self) -> str:
        return f"<Context {self.pool!r}, {len(self._downloaders)} downloaders>"




def _affordable(connections: int) -> int:
    try:
        import resource
    except ImportError:  # not on Windows
        return connections
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY or type(connections) is not int:
        return connections
    return min(connections, max(1, (files - _OTHERS) // 2))


class _Schemes(dict[bytes, IAgent]):
    """The agents of one Remote; those of other projects are looked for when they are wanted."""

    def __init__(self, ours: dict[bytes, IAgent], reactor: Any, remote: Remote) -> None:
        super().__init__(ours)
        self._reactor, self._remote = reactor, remote

    def __missing__(self, scheme: bytes) -> IAgent:
        agent = self[scheme] = third_party()[scheme.decode("latin-1")](self._reactor, self._remote)
        return agent
