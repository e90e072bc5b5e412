"""What clients get of a file that may change."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor

from attrs import define, field, frozen

from twisted_pulp.catalog.cached import CachedRow
from twisted_pulp.headers import PUBLIC
from twisted_pulp.settings import Remote
from twisted_pulp.streamer._cache import AT, Consultation, consulted
from twisted_pulp.streamer._caching import Caching
from twisted_pulp.streamer._entity import Entity
from twisted_pulp.streamer._fields import Forwarded, forwarded
from twisted_pulp.streamer._lifetime import Lifetime, Times
from twisted_pulp.streamer._media import media_type
from twisted_pulp.streamer._negotiated import accept_of

__all__ = ["NAME", "Cached", "Known", "Passed", "answered", "asked_of", "status_of", "vary_of"]

#: Of this cache, in Cache-Status.
NAME = "twisted_pulp"


@frozen
class Cached:
    """
    A file that is stored.

    :ivar entity: with its sha256 and size; to be answered as any stored one.
    :ivar cache_status: the value of Cache-Status (RFC 9211).
    :ivar url: where it was in the end, if redirects led there; else None.
    """

    entity: Entity
    cache_status: str
    url: str | None = None


@frozen
class Passed:
    """
    A file that must not be kept: it is to be fetched for each client.

    :ivar cache_status: the value of Cache-Status.
    """

    cache_status: str


@define(eq=False)
class Known:
    """
    A stored response in memory.

    :ivar row: of the catalog.
    :ivar looked: when its body was last seen in the storage, on the reactor's clock.
    :ivar status: what the upstream has answered last: 200, or 304.
    """

    row: CachedRow
    looked: float
    status: int = 200
    told: Forwarded = field(init=False)
    _found_fresh: tuple[Remote, Caching, Consultation] | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        """Take its headers apart once."""
        self.told = forwarded((name.encode("latin-1"), value.encode("latin-1")) for name, value in self.row.fields)

    @property
    def times(self) -> Times:
        """When it was last confirmed."""
        return Times(self.row.requested, self.row.received)

    def consulted(self, remote: Remote, caching: Caching, now: float) -> Consultation:
        """Return what is to be done about a request; what was found fresh is until its time is over."""
        known = self._found_fresh
        if known is not None and known[0] is remote and known[1] is caching:
            lifetime = known[2].lifetime
            if lifetime is not None and lifetime.fresh(now):
                return known[2]
        asked = asked_of(remote, self.row.kind)
        found = consulted(self.row.fields, self.row.vary, self.times, asked, caching, now)
        self._found_fresh = (remote, caching, found) if found.fresh else None
        return found


def answered(known: Known, lifetime: Lifetime, now: float, status: str) -> Cached:
    """
    Return what a client gets of a stored response.

    :param status: the parameters of Cache-Status.
    """
    told, caching = known.told, lifetime.caching
    control = told.cache_control
    if caching.max_age is not None:
        control = f"public, max-age={floor(caching.max_age)}"
    left = floor(lifetime.left(now))
    entity = Entity(
        size=known.row.size,
        sha256=known.row.sha256,
        modified=told.modified,
        type=told.type or media_type(known.row.url.partition("?")[0]),
        cache_control=control,
        fields=(
            *(each for each in told.fields if each[0] != "Age" and (each[0] != "Expires" or caching.max_age is None)),
            ("Age", str(max(0, floor(lifetime.age(now))))),
        ),
    )
    return Cached(entity, f"{NAME}; {status}; ttl={left}", dict(known.row.fields).get(AT))


def status_of(reason: str, status: int | None, more: str, *, joined: bool) -> str:
    """
    Return the parameters of Cache-Status of what was asked for upstream.

    :param reason: why.
    :param status: that the upstream has answered with, or None.
    :param more: what came of it.
    :param joined: whether another request had asked for it already.
    """
    answered = "" if status is None else f"; fwd-status={status}"
    return f"fwd={reason}{answered}; {more}{'; collapsed' if joined else ''}"


def passed(reason: str) -> Passed:
    """Return that nothing was kept, and why it was asked for."""
    return Passed(f"{NAME}; fwd={reason}; stored=?0")


def asked_of(remote: Remote, kind: str) -> dict[str, str]:
    """
    Return the headers of a request upstream on which an answer may depend, names in lower case.

    Credentials are not among them: what is stored is only for the Remote that has them.
    """
    given = {name.lower(): value for name, value in remote.headers.items() if name.lower() in PUBLIC}
    agent = {} if remote.user_agent is None else {"user-agent": remote.user_agent}
    asked = {"accept": "*/*", "accept-encoding": "identity", **agent, **given}
    return {**asked, "accept": accept_of(kind)} if kind else asked


def vary_of(fields: Mapping[str, str], asked: Mapping[str, str]) -> dict[str, str]:
    """Return those of the headers *asked* with which the Vary of a response names."""
    names = {name.strip(" \t").lower() for name in fields.get("vary", "").split(",")}
    return {name: value for name, value in asked.items() if name in names}
