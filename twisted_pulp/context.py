"""What all downloads share."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any
from weakref import ref

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
        self.paths: set[str] = set()
        self._onions: dict[int, _Onion] = {}
        self._downloaders: dict[Any, None] = {}

    def downloader(
        self,
        remote: Remote | None = None,
        *,
        hooks: Hooks | None = None,
        directory: str | None = None,
        force: bool = False,
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
        """
        Return the agent that reaches *remote* for artifacts: byte for byte, 400 and above are errors.

        How large a body may be is the business of who takes it: a download knows what it expects.
        """
        known = self._onions.get(id(remote))
        return self._onion(remote).artifacts if known is None else known.artifacts

    def limited_agent(self, remote: Remote) -> IAgent:
        """Return an agent as `agent` does, whose bodies have `Limits.max_size` bytes at most."""
        onion, limit = self._onion(remote), remote.limits.max_size
        return onion.artifacts if limit is None else self._outside(LimitAgent(onion.core, limit), remote)

    def metadata_agent(self, remote: Remote) -> IAgent:
        """Return the agent that reaches *remote* for metadata: bodies are decoded, and no status is an error."""
        headers = HeaderAgent(RedirectAgent(self._onion(remote).core, remote.limits.redirects), remote, _USER_AGENT)
        return DecodeAgent(headers, remote.limits.max_metadata_size)

    def _onion(self, remote: Remote) -> _Onion:
        key = id(remote)
        known = self._onions.get(key)
        if known is None:
            # It ends with its Remote, whose place in memory another may then take.
            known = self._onions[key] = _Onion(ref(remote, lambda _: self._onions.pop(key)), self._core(remote))
            known.artifacts = self._outside(known.core, remote)
        return known

    def _core(self, remote: Remote) -> IAgent:
        limits = remote.limits
        cap = None if limits.connections is None else Cap(limits.connections)
        endpoints = Endpoints(self.reactor, self.resolver, self.watch, remote.tls, remote.timeouts, cap)
        http = HTTPAgent(self.reactor, endpoints, self.pool)
        file = FileAgent(remote.file_roots, self.threads.lane())
        schemes = _Schemes({b"http": http, b"https": http, b"file": file}, self.reactor, ref(remote))
        return ErrorAgent(SchemeAgent(schemes))

    @staticmethod
    def _outside(core: IAgent, remote: Remote) -> IAgent:
        return StatusAgent(HeaderAgent(RedirectAgent(core, remote.limits.redirects), remote, _USER_AGENT))

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
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY or type(connections) is not int:
        return connections
    return min(connections, max(1, (files - _OTHERS) // 2))


class _Onion:
    """The agents of one Remote, from inside out."""

    __slots__ = ("artifacts", "core", "remote")
    artifacts: IAgent

    def __init__(self, remote: ref[Remote], core: IAgent) -> None:
        self.remote, self.core = remote, core


class _Schemes(dict[bytes, IAgent]):
    """The agents of one Remote; those of other projects are looked for when they are wanted."""

    def __init__(self, ours: dict[bytes, IAgent], reactor: Any, remote: Callable[[], Remote | None]) -> None:
        super().__init__(ours)
        self._reactor, self._remote = reactor, remote

    def __missing__(self, scheme: bytes) -> IAgent:
        agent = self[scheme] = third_party()[scheme.decode("latin-1")](self._reactor, self._remote())
        return agent
