"""What all downloads share."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import ref

from twisted.internet.defer import Deferred, DeferredList
from twisted.web.iweb import IAgent

from twisted_pulp.downloader import Downloader
from twisted_pulp.errors import BlockedAddress
from twisted_pulp.http import (
    Cap,
    ConnectionPool,
    Credentials,
    Endpoints,
    ErrorAgent,
    Guard,
    HeaderAgent,
    HTTPAgent,
    Intake,
    RateAgent,
    Rates,
    RedirectAgent,
    Resolver,
    StatusAgent,
    Watch,
    with_credentials,
)
from twisted_pulp.interfaces import IDownloader
from twisted_pulp.schemes import LateAgent, SchemeAgent, third_party
from twisted_pulp.settings import Remote
from twisted_pulp.transfer import Health, Hooks, Traffic, WriterThreads

if TYPE_CHECKING:
    from twisted_pulp.settings import AddressPolicy
    from twisted_pulp.transfer import Mirrors

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
    :param policy: where guarded Remotes may connect to (`Network.guarded`); default None: one with every default.
    :raises SettingsError: when a cap is not a whole number from 1.
    :ivar traffic: the transfers that are under way.
    :ivar rates: requests and bytes a second, of everything, of each host and of each Remote; to be changed at any time.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        connections: int = 100,
        per_host: int = 8,
        uniform: Callable[[float, float], float] = random.uniform,
        now: Callable[[], float] = time.time,
        policy: AddressPolicy | None = None,
    ) -> None:
        self.reactor, self.uniform, self.now = reactor, uniform, now
        self.watch = Watch(reactor)
        connections = _affordable(connections)
        self.pool = ConnectionPool(reactor, connections=connections, per_host=per_host, watch=self.watch)
        self.resolver = Resolver(reactor)
        self.threads = WriterThreads(reactor)
        self.health = Health(reactor.seconds)
        self.traffic = Traffic(reactor.seconds)
        self.rates = Rates(reactor)
        self.paths: set[str] = set()
        self._policy = policy
        self._onions: dict[int, _Onion] = {}
        self._pairs: Any = None  # of connections, once a scheme needs them
        self._downloaders: dict[Any, None] = {}

    @property
    def policy(self) -> AddressPolicy:
        """Where connections of guarded Remotes may go; a new one counts for each request that begins from then on."""
        if self._policy is None:
            from twisted_pulp.settings import AddressPolicy

            self._policy = AddressPolicy()
        return self._policy

    @policy.setter
    def policy(self, policy: AddressPolicy | None) -> None:
        self._policy = policy

    @cached_property
    def mirrors(self) -> Mirrors:
        """The mirrors of Remotes."""
        from twisted_pulp.transfer import Mirrors

        return Mirrors(self.metadata_agent, self.watch, self.reactor.seconds)

    def downloader(
        self,
        remote: Remote | None = None,
        *,
        hooks: Hooks | None = None,
        directory: str | None = None,
        force: bool = False,
        put: Callable[[str, bytes], str | None] | None = None,
    ) -> IDownloader:
        """
        Return a Downloader for *remote*: the one place where they come from.

        :param remote: default None: one with every default, for any URL.
        :param hooks: called as downloads go on; default none.
        :param directory: paths are relative to it, and nothing is written outside; default None: paths are trusted.
        :param force: whether files that are present are fetched again; default false.
        :param put: where small files go, rather than to their paths, once they are proven: called with sha256 and
            bytes, it returns their new path, or None when it did nothing; as `IStorage.put`. Default none.
        """
        made = Downloader(self, remote or Remote(), hooks=hooks or Hooks(), directory=directory, force=force, put=put)
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
        if limit is None:
            return onion.artifacts
        from twisted_pulp.http import LimitAgent

        return onion.outside(LimitAgent(onion.own, limit), LimitAgent(onion.elsewhere, limit), remote)

    def metadata_agent(self, remote: Remote) -> IAgent:
        """Return the agent that reaches *remote* for metadata: bodies are decoded, and no status is an error."""
        from twisted_pulp.http import DecodeAgent

        onion = self._onion(remote)
        return DecodeAgent(onion.named(onion.own, onion.elsewhere, remote), remote.limits.max_metadata_size)

    def _onion(self, remote: Remote) -> _Onion:
        key = id(remote)
        known = self._onions.get(key)
        if known is None:
            cap = None if remote.limits.connections is None else Cap(remote.limits.connections)
            core = self._core(remote, cap)
            elsewhere = self._core(remote, cap, identified=False) if remote.tls.identifies else core
            made = _Onion(remote, core, elsewhere, self.reactor.seconds)
            # It ends with its Remote, whose place in memory another may then take.
            made.remote = ref(remote, lambda _: self._onions.pop(key))
            known = self._onions[key] = made
        return known

    def _core(self, remote: Remote, cap: Cap | None, *, identified: bool = True) -> IAgent:
        guard = Guard(lambda: self.policy) if remote.network.guarded else None
        endpoints = Endpoints(self.reactor, self.resolver, self.watch, remote, cap, identified=identified, guard=guard)
        http = HTTPAgent(self.reactor, endpoints, self.pool)
        schemes: dict[bytes, IAgent] = _GuardedSchemes({b"http": http, b"https": http})
        if guard is None:
            file = LateAgent(self._file(remote.file_roots))
            ftp = LateAgent(self._ftp(remote, endpoints, cap))
            schemes = _Schemes({**schemes, b"file": file, b"ftp": ftp, b"ftps": ftp}, self.reactor, ref(remote))
        rates = self.rates.of(remote)
        intake = Intake(self.rates, rates, self.pool.paces if remote.limits.adaptive else None)
        return RateAgent(ErrorAgent(SchemeAgent(schemes), intake), self.rates, rates)

    def _file(self, roots: tuple[str, ...]) -> Callable[[], IAgent]:
        def make() -> IAgent:
            from twisted_pulp.schemes import FileAgent

            return FileAgent(roots, self.threads.lane())

        return make

    def _ftp(self, remote: Remote, endpoints: Endpoints, cap: Cap | None) -> Callable[[], IAgent]:
        # Not the Remote itself: what its agents are made of must not keep it.
        timeouts, network = remote.timeouts, remote.network
        login, origins = (remote.username, remote.password), remote.secret_origins

        def make() -> IAgent:
            from twisted_pulp.schemes._ftp import FTPAgent
            from twisted_pulp.schemes._ftp_pairs import Pairs

            if self._pairs is None:
                self._pairs = Pairs(self.pool)
            wire = self.pool, self._pairs, endpoints.dialer, self.watch, self.now
            return FTPAgent(*wire, endpoints.trust, timeouts, network, endpoints.proxies, login, origins, cap)

        return make

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
    """
    The agents of one Remote, from inside out.

    :ivar own: makes requests with what belongs to them: credentials, cookies, our certificate.
    :ivar elsewhere: makes those to which nothing of this belongs.
    :ivar artifacts: everything around them.
    """

    __slots__ = ("_credentials", "artifacts", "elsewhere", "own", "remote")
    remote: ref[Remote]

    def __init__(self, remote: Remote, core: IAgent, elsewhere: IAgent, clock: Callable[[], float]) -> None:
        self._credentials, self.elsewhere = Credentials(remote), elsewhere
        self.own = with_credentials(core, elsewhere, remote, self._credentials, clock)
        self.artifacts = self.outside(self.own, elsewhere, remote)

    def outside(self, own: IAgent, elsewhere: IAgent, remote: Remote) -> IAgent:
        """Return the agent for artifacts."""
        return StatusAgent(self.named(own, elsewhere, remote))

    def named(self, own: IAgent, elsewhere: IAgent, remote: Remote) -> IAgent:
        """Return the agent that says who asks, and follows redirects."""
        redirects = RedirectAgent(own, remote.limits.redirects, elsewhere)
        return HeaderAgent(redirects, remote, _USER_AGENT, self._credentials)


class _GuardedSchemes(dict[bytes, IAgent]):
    """The agents of a guarded Remote: no others."""

    def __missing__(self, scheme: bytes) -> IAgent:
        raise BlockedAddress(detail=f"the policy allows http and https, not {scheme.decode('latin-1')}")


class _Schemes(dict[bytes, IAgent]):
    """The agents of one Remote; those of other projects are looked for when they are wanted."""

    def __init__(self, ours: dict[bytes, IAgent], reactor: Any, remote: Callable[[], Remote | None]) -> None:
        super().__init__(ours)
        self._reactor, self._remote = reactor, remote

    def __missing__(self, scheme: bytes) -> IAgent:
        agent = self[scheme] = third_party()[scheme.decode("latin-1")](self._reactor, self._remote())
        return agent
