"""What a daemon may do: how much, how long it remembers, when it syncs, and what it logs."""

from __future__ import annotations

from typing import Any, Literal

from attrs import Attribute, field, frozen

from twisted_pulp.errors import SettingsError
from twisted_pulp.settings._fields import choice, flag, one_line
from twisted_pulp.settings._values import number

__all__ = ["Log", "Retention", "Schedule", "ServiceLimits"]

_DAY = 86_400.0


@frozen(kw_only=True)
class ServiceLimits:
    """
    How much a daemon does at once, and how much is asked of it. None is no limit.

    In a file seconds may be written as "30s", "15m", "1h" or "7d", and bytes as "512K", "8M", "1G" or "1T".

    :ivar connections: connections to upstreams open at once; default 100.
    :ivar per_host: connections open at once to each host and port; default 8.
    :ivar jobs: jobs that run at once; default 4.
    :ivar downloads: downloads at once in one job; default 32.
    :ivar in_flight: bytes that one sync has downloaded, or begun to, and not yet stored; default 4 GiB.
    :ivar in_flight_files: as `in_flight`, of files; default 1,000.
    :ivar items: files in one request of the API; default 10,000. A body of JSON lines has no such limit.
    :ivar body: bytes in the body of a request of the API; default 8 MiB. A body of JSON lines has no such limit.
    :ivar depth: how deep its JSON may be nested; default 32.
    :ivar rate: bytes a second, of everything together; default None.
    :ivar reserve: bytes that stay free on the disk: with less, jobs wait and new ones are refused; default 1 GiB.
    :ivar queued: files that may wait in all jobs together; default 1,000,000.
    :ivar retry_budget: retries for each request, at most, where there are many; default 0.1.
    :ivar grace: seconds in which running jobs may come to a good end when the daemon is stopped; default 30.
    :ivar lease: seconds after which the job of a daemon that is not heard of any more is taken over; default 60.
    :ivar database: connections to a database on a server, at most; default 8.
    :ivar attempts: tries of a job, after which it waits for somebody to look at it; default 5.
    """

    connections: int = number(100, low=1, whole=True)
    per_host: int = number(8, low=1, whole=True)
    jobs: int = number(4, low=1, high=1000, whole=True)
    downloads: int = number(32, low=1, high=10_000, whole=True)
    in_flight: int | None = number(4 << 30, low=1, none=True, whole=True, unit="bytes")
    in_flight_files: int | None = number(1000, low=1, none=True, whole=True)
    items: int = number(10_000, low=1, whole=True)
    body: int = number(8 << 20, low=1024, whole=True, unit="bytes")
    depth: int = number(32, low=4, high=256, whole=True)
    rate: float | None = number(None, none=True, unit="bytes")
    reserve: int = number(1 << 30, zero=True, whole=True, unit="bytes")
    queued: int | None = number(1_000_000, low=1, none=True, whole=True)
    retry_budget: float | None = number(0.1, zero=True, high=1, none=True)
    grace: float = number(30.0, zero=True, high=86_400, unit="seconds")
    lease: float = number(60.0, low=1, high=86_400, unit="seconds")
    database: int = number(8, low=2, high=1000, whole=True)
    attempts: int = number(5, low=1, high=1000, whole=True)


@frozen(kw_only=True)
class Retention:
    """
    What a daemon remembers, and for how long. None is for ever; what is stored does not end with the memory of it.

    :ivar jobs: seconds for which jobs that are completed or cancelled are remembered; default 30 days.
    :ivar failed: as `jobs`, of those that failed; default 90 days.
    :ivar count: jobs that have ended and are remembered, of which the oldest go first; default 100,000.
    :ivar cached: bytes of files of upstreams that may change, of which those go first that were not wanted for longest;
        default 4 GiB.
    :ivar events: events kept for those who come back and ask what they missed; default 10,000.
    """

    jobs: float | None = number(30 * _DAY, none=True, unit="seconds")
    failed: float | None = number(90 * _DAY, none=True, unit="seconds")
    count: int | None = number(100_000, zero=True, none=True, whole=True)
    cached: int = number(4 << 30, zero=True, whole=True, unit="bytes")
    events: int = number(10_000, low=1, high=1_000_000, whole=True)


def _word(default: str) -> Any:
    """Return a field of one word."""

    def check(_: object, attribute: Attribute[str], value: object) -> None:
        if not isinstance(value, str) or not value.isidentifier():
            raise SettingsError(attribute.name, value, f"a word, such as {default}")

    return field(default=default, validator=check)


@frozen(kw_only=True)
class Schedule:
    """
    Work that is begun again and again.

    :ivar every: seconds from one begin to the next, from 1; in a file also "15m", "1h" or "1d".
    :ivar kind: "sync" (default), "verify" or "cleanup".
    :ivar repository: that is synced; only with "sync", which needs it.
    :ivar type: of its content, where there is no such repository yet; default "file".
    :ivar remote: the name of the remote; default None: that of the repository.
    :ivar mirror: whether what upstream has no more is removed; default false.
    :ivar jitter: seconds by which a begin may be later, at random, so that not all ask at the same moment; default
        None: a tenth of `every`.
    """

    every: float = number(low=1, unit="seconds")
    kind: Literal["sync", "verify", "cleanup"] = choice("sync", "sync", "verify", "cleanup")
    repository: str | None = one_line()
    type: str = _word("file")
    remote: str | None = one_line()
    mirror: bool = flag(False)
    jitter: float | None = number(None, zero=True, none=True, unit="seconds")

    def __attrs_post_init__(self) -> None:
        if self.kind == "sync" and self.repository is None:
            raise SettingsError("repository", None, "given: what is synced")
        for name in ("repository", "remote") if self.kind != "sync" else ():
            if getattr(self, name) is not None:
                raise SettingsError(name, getattr(self, name), f"left out of a {self.kind}")


@frozen(kw_only=True)
class Log:
    """
    What a daemon logs, and how.

    :ivar format: "text" (default), or "json": one document a line.
    :ivar level: of what is logged at least: "debug", "info" (default), "warn" or "error".
    """

    format: Literal["text", "json"] = choice("text", "text", "json")
    level: Literal["debug", "info", "warn", "error"] = choice("info", "debug", "info", "warn", "error")


def _texts(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def endpoints(*default: str) -> Any:
    """Return a field of endpoints, as Twisted writes them."""

    def check(_: object, attribute: Attribute[Any], value: tuple[Any, ...]) -> None:
        for each in value:
            if not isinstance(each, str) or not each.isprintable() or not each.partition(":")[2]:
                raise SettingsError(attribute.name, each, "endpoints, such as tcp:8080:interface=127.0.0.1")

    return field(default=default, converter=_texts, validator=check)


def roles(*allowed: str) -> Any:
    """Return a field of some of these, by default of all."""

    def check(_: object, attribute: Attribute[Any], value: tuple[Any, ...]) -> None:
        if not value or not set(value) <= set(allowed):
            raise SettingsError(attribute.name, value, f"one or several of {', '.join(allowed)}")

    return field(default=allowed, converter=_texts, validator=check)
