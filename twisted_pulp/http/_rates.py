"""How many requests and bytes a second: of everything, of a Remote, of a host; to be changed at any time."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakSet, WeakValueDictionary, ref

from twisted.internet.interfaces import IReactorTime

from twisted_pulp.errors import SettingsError
from twisted_pulp.http._bucket import Bucket

if TYPE_CHECKING:
    from twisted_pulp.settings import Remote

__all__ = ["HostRates", "Rate", "Rates", "host_of"]

_MANY = 1024
# Seconds' worth of bytes that may be read on before one waits: not every read is worth a timer.
_SLACK = 0.025
_HOST = rb"[^:/?#]+://(?:[^/?#@]*@)?(\[[^]/?#]*\]|[^:/?#]*)"


def host_of(uri: bytes) -> str:
    """Return the host of *uri* in lower case, "" when it has none."""
    match = re.match(_HOST, uri)
    return match[1].decode("latin-1").strip("[]").lower() if match else ""


def _checked(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise SettingsError(name, value, "a number above 0, or none for no limit")
    return None if value == math.inf else float(value)


class Rate:
    """
    Requests and bytes a second.

    :param clock: whose seconds count.
    :param changed: called when a limit was set or lifted.
    """

    def __init__(self, clock: IReactorTime, changed: Callable[[], object]) -> None:
        self._clock, self._changed = clock, changed
        self.requests, self.bytes = Bucket(clock), Bucket(clock, _SLACK)

    @property
    def requests_per_second(self) -> float | None:
        """
        Requests begun in a second; None is no limit. What waits follows a new value at once.

        :raises SettingsError: when it is set to anything but a number above 0, or None.
        """
        return self.requests.rate

    @requests_per_second.setter
    def requests_per_second(self, value: float | None) -> None:
        self.requests.rate = _checked("requests_per_second", value)
        self._changed()

    @property
    def bytes_per_second(self) -> float | None:
        """
        Bytes of bodies received in a second; None is no limit. Bodies under way follow a new value at once.

        :raises SettingsError: when it is set to anything but a number above 0, or None.
        """
        return self.bytes.rate

    @bytes_per_second.setter
    def bytes_per_second(self, value: float | None) -> None:
        self.bytes.rate = _checked("bytes_per_second", value)
        self._changed()

    def __repr__(self) -> str:
        requests, size = self.requests.rate, self.bytes.rate
        waiting = self.requests.waiting + self.bytes.waiting
        return f"<{type(self).__name__} {_shown(requests)} requests/s, {_shown(size)} bytes/s, {waiting} waiting>"


def _shown(rate: float | None) -> str:
    return "any" if rate is None else f"{rate:g}"


class HostRates(Rate):
    """As `Rate`, and the same for each host."""

    def __init__(self, clock: IReactorTime, changed: Callable[[], object]) -> None:
        super().__init__(clock, changed)
        self._every: tuple[float | None, float | None] = (None, None)
        self._hosts: dict[str, Rate] = {}

    @property
    def host_requests_per_second(self) -> float | None:
        """As `requests_per_second`, for each host; to set it sets it for all, those of `host` too."""
        return self._every[0]

    @host_requests_per_second.setter
    def host_requests_per_second(self, value: float | None) -> None:
        self._every = (_checked("host_requests_per_second", value), self._every[1])
        for rate in list(self._hosts.values()):
            rate.requests.rate = self._every[0]
        self._changed()

    @property
    def host_bytes_per_second(self) -> float | None:
        """As `bytes_per_second`, for each host; to set it sets it for all, those of `host` too."""
        return self._every[1]

    @host_bytes_per_second.setter
    def host_bytes_per_second(self, value: float | None) -> None:
        self._every = (self._every[0], _checked("host_bytes_per_second", value))
        for rate in list(self._hosts.values()):
            rate.bytes.rate = self._every[1]
        self._changed()

    def host(self, name: str) -> Rate:
        """
        Return the rate of one host, which may then differ from that of the others.

        :param name: or address, without a port.
        """
        name = name.strip("[]").lower()
        rate = self._hosts.get(name)
        if rate is None:
            if len(self._hosts) >= _MANY:
                self._forget()
            rate = self._hosts[name] = Rate(self._clock, self._changed)
            rate.requests.rate, rate.bytes.rate = self._every
        return rate

    def at(self, name: str) -> Rate | None:
        """Return the rate of one host, None where nothing was ever said of it."""
        return self.host(name) if self._every != (None, None) else self._hosts.get(name)

    def _forget(self) -> None:
        """Forget the hosts that are as any other, and where nothing waits."""
        for name, rate in list(self._hosts.items()):
            if (rate.requests.rate, rate.bytes.rate) == self._every and rate.requests.idle and rate.bytes.idle:
                del self._hosts[name]

    def limits(self) -> tuple[bool, bool]:
        """Return whether there is any limit of requests, and whether of bytes."""
        rates: list[Rate] = [self, *self._hosts.values()]
        return (
            self._every[0] is not None or any(rate.requests.rate is not None for rate in rates),
            self._every[1] is not None or any(rate.bytes.rate is not None for rate in rates),
        )


class Rates(HostRates):
    """
    All rates of a Context: of everything, of each host, and those of its Remotes.

    Remotes with the same URL share theirs; the one that was used first most recently says how fast. A Remote without a
    URL has its own.

    :ivar limited: whether there is any limit of requests.
    :ivar metered: whether there is any limit of bytes.
    :ivar version: changes when any limit does.
    """

    def __init__(self, clock: IReactorTime) -> None:
        super().__init__(clock, self._count)
        self.limited = self.metered = False
        self.version = 0
        self._known: dict[int, tuple[ref[Remote], HostRates]] = {}
        self._of_url: WeakValueDictionary[str, HostRates] = WeakValueDictionary()
        self._all: WeakSet[HostRates] = WeakSet()

    def of(self, remote: Remote) -> HostRates:
        """Return the rates of *remote*, which begin as its `Limits` say."""
        key = id(remote)
        known = self._known.get(key)
        if known is None:
            made = None if remote.url is None else self._of_url.get(remote.url)
            if made is None:
                made = self._made(remote.url)
            known = self._known[key] = (ref(remote, lambda _: self._dropped(key)), made)
            _obey(made, remote)
            self._count()
        return known[1]

    def _made(self, url: str | None) -> HostRates:
        made = HostRates(self._clock, self._count)
        self._all.add(made)
        if url is not None:
            self._of_url[url] = made
        return made

    def _dropped(self, key: int) -> None:
        del self._known[key]
        self._count()

    def _count(self) -> None:
        self.version += 1
        limits = [each.limits() for each in (self, *self._all)]
        self.limited, self.metered = any(one for one, _ in limits), any(two for _, two in limits)

    def buckets(self, kind: str, remote: HostRates, host: str) -> list[Bucket]:
        """
        Return what limits something.

        :param kind: "requests" or "bytes".
        :param remote: the rates of its Remote.
        :returns: the narrowest first: who waits for that keeps nobody else waiting.
        """
        rates = (remote.at(host), remote, self.at(host), self)
        found: list[Bucket] = [getattr(rate, kind) for rate in rates if rate is not None]
        return [bucket for bucket in found if bucket.rate is not None]


def _obey(rates: HostRates, remote: Remote) -> None:
    limits = remote.limits
    names = ("requests_per_second", "bytes_per_second", "host_requests_per_second", "host_bytes_per_second")
    for name in names:
        if getattr(rates, name) != getattr(limits, name):
            setattr(rates, name, getattr(limits, name))
