"""Addresses of host names, without ever making one host wait for another."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from threading import Thread
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

from twisted_pulp.errors import DNSError
from twisted_pulp.settings import Network

if TYPE_CHECKING:
    from twisted_pulp.http._name_cache import NameCache

__all__ = ["Address", "Lookup", "Resolver"]

Address = IPv4Address | IPv6Address
#: Begins to look up the addresses of a host, for a port.
Lookup = Callable[[str, int], Deferred[Sequence[Address]]]
GetAddrInfo = Callable[..., Sequence[tuple[Any, ...]]]

# getaddrinfo's words for "nobody could tell"; everything else is an answer.
_PASSING = frozenset({socket.EAI_AGAIN, getattr(socket, "EAI_SYSTEM", socket.EAI_AGAIN), socket.EAI_MEMORY})


class Resolver:
    """
    Look names up with the system's getaddrinfo, so that hosts files and nsswitch count.

    Each look-up has a thread of its own while it lasts, and all who ask for a name meanwhile share it: a name server
    that is slow for one host delays no other, and no thread is left when nothing is being looked up. A look-up cannot
    be broken off; its thread is a daemon, which no exit waits for.

    :param reactor: where the answers are given.
    :param threads: look-ups at once; default 32.
    :param getaddrinfo: as `socket.getaddrinfo`, the default.
    """

    def __init__(
        self, reactor: IReactorFromThreads, threads: int = 32, getaddrinfo: GetAddrInfo = socket.getaddrinfo
    ) -> None:
        self._reactor, self._getaddrinfo = reactor, getaddrinfo
        self._free = DeferredSemaphore(threads)
        self._asking: dict[tuple[str, int], list[Deferred[Sequence[Address]]]] = {}
        self._caches: WeakValueDictionary[object, NameCache] = WeakValueDictionary()

    def lookup(self, host: str, port: int) -> Deferred[Sequence[Address]]:
        """
        Return a Deferred of the addresses of *host*, in the system's order; it fails with `DNSError`.
        """
        key = host, port
        waiting = self._asking.get(key)
        d: Deferred[Sequence[Address]] = Deferred(lambda d: self._forget(key, d))
        if waiting is not None:
            waiting.append(d)
        else:
            self._asking[key] = [d]
            self._free.acquire().addCallback(lambda _: self._start(key))
        return d

    def by_servers(self, network: Network) -> NameCache:
        """Return what asks the name servers of *network* instead; those of equal settings share what they know."""
        key = (network.name_servers, network.version, network.dns_cache, network.dns_ttl_min, network.dns_ttl_max)
        cache = self._caches.get(key)
        if cache is None:
            from twisted_pulp.http._name_cache import NameCache
            from twisted_pulp.http._name_servers import NameServers

            reactor: Any = self._reactor  # with sockets and a clock
            servers = NameServers(reactor, network.name_servers, network.version)
            times = (network.dns_ttl_min, network.dns_ttl_max) if network.dns_cache else None
            cache = self._caches[key] = NameCache(reactor, servers.addresses, times)
        return cache

    def _forget(self, key: tuple[str, int], d: Deferred[Sequence[Address]]) -> None:
        waiting = self._asking.get(key, [])
        if d in waiting:
            waiting.remove(d)

    def _start(self, key: tuple[str, int]) -> None:
        if not self._asking[key]:  # all who asked have left
            del self._asking[key]
            self._free.release()
            return
        try:
            Thread(target=self._ask, args=(key,), name=f"look-up of {key[0]}", daemon=True).start()
        except RuntimeError as error:  # as many as the system allows
            self._answered(key, error)

    def _ask(self, key: tuple[str, int]) -> None:
        try:
            answer: Any = self._getaddrinfo(*key, 0, socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            answer = error
        self._reactor.callFromThread(self._answered, key, answer)

    def _answered(self, key: tuple[str, int], answer: Any) -> None:
        self._free.release()
        found = [] if isinstance(answer, Exception) else _addresses(answer)
        for d in self._asking.pop(key):
            if d.called:  # the one before cancelled it
                continue
            if found:
                d.callback(found)
            else:  # each gets an error of its own, which will name the URL it asked for
                d.errback(_failure(key[0], answer))


def _addresses(answer: Sequence[tuple[Any, ...]]) -> Sequence[Address]:
    found: dict[Address, None] = {}
    for family, _, _, _, address in answer:
        if family == socket.AF_INET:
            found[IPv4Address("TCP", *address)] = None
        elif family == socket.AF_INET6:
            found[IPv6Address("TCP", *address)] = None
    return list(found)


def _failure(host: str, answer: Any) -> Failure:
    words, passing = "the name has none", False
    if isinstance(answer, socket.gaierror):
        words, passing = answer.strerror or str(answer), answer.errno in _PASSING
    elif isinstance(answer, Exception):
        words, passing = str(answer), isinstance(answer, RuntimeError)
    return Failure(DNSError(detail=f"no address for {host}: {words}", retryable=passing))
