"""How old a stored response is, and how long it may be used (RFC 9111 section 4.2, RFC 5861)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from attrs import frozen

from twisted_pulp.streamer._caching import Caching
from twisted_pulp.streamer._conditions import date_of
from twisted_pulp.streamer._directives import Directives, directives, seconds

__all__ = ["Lifetime", "Times"]

# Each of them says that a stale response must not be used without asking (section 4.2.4).
_STRICT = ("must-revalidate", "proxy-revalidate", "s-maxage", "no-cache")


@frozen
class Times:
    """
    When a response was asked for and came, in seconds since the epoch.

    :ivar requested: when the request was made by which it came, or was last found to be right.
    :ivar received: when the headers of the answer had come.
    """

    requested: float
    received: float


@frozen
class Lifetime:
    """
    How long a stored response may be used.

    :ivar fields: its headers, names in lower case.
    :ivar times: of its last confirmation.
    :ivar caching: what the Distribution says.
    """

    fields: Mapping[str, str]
    times: Times
    caching: Caching

    @cached_property
    def directives(self) -> Directives:
        """Its Cache-Control."""
        return directives(self.fields.get("cache-control"))

    def age(self, now: float) -> float:
        """
        Return its age (section 4.2.3).

        A clock that went back says nothing about the time since then: what is from the future has just become stale.
        """
        if now < self.times.received:
            return self.fresh_for
        return self._age_then + now - self.times.received

    @cached_property
    def _age_then(self) -> float:
        """Its age when it was received."""
        date, given = _moment(self.fields.get("date")), self.fields.get("age", "")
        apparent = 0.0 if date is None else max(0.0, self.times.received - date)
        delay = max(0.0, self.times.received - self.times.requested)
        told = float(given[:10]) if given.isascii() and given.isdigit() else 0.0
        return max(apparent, told + delay)

    @cached_property
    def fresh_for(self) -> float:
        """Seconds from its making for which it is fresh (sections 4.2.1 and 4.2.2)."""
        if self.caching.max_age is not None:
            return self.caching.max_age
        for name in ("s-maxage", "max-age"):
            told = seconds(self.directives, name)
            if told is not None:
                return float(told)
        made = _moment(self.fields.get("date"))
        if made is None:
            made = self.times.received
        if "expires" in self.fields:
            expires = _moment(self.fields["expires"])
            return 0.0 if expires is None else max(0.0, expires - made)
        modified = _moment(self.fields.get("last-modified"))
        if modified is None:
            return 0.0
        return min(max(0.0, made - modified) * self.caching.heuristic, self.caching.heuristic_max)

    def left(self, now: float) -> float:
        """Return the seconds for which it is still fresh; below 0 it is stale, and at 0 too."""
        return self.fresh_for - self.age(now)

    def fresh(self, now: float) -> bool:
        """Return whether it may be used without asking, as far as that is a matter of time."""
        return self.left(now) > 0

    def after_error(self, now: float) -> bool:
        """Return whether it may be used when the upstream fails."""
        return self._within("stale-if-error", self.caching.stale_if_error, now)

    def while_asking(self, now: float) -> bool:
        """Return whether it may be used while the upstream is asked in the background."""
        return self._within("stale-while-revalidate", self.caching.stale_while_revalidate, now)

    def _within(self, name: str, default: float, now: float) -> bool:
        if self.strict:
            return False
        told = seconds(self.directives, name)
        window = default if told is None else float(told)
        return window > 0 and -self.left(now) <= window

    @property
    def strict(self) -> bool:
        """Whether it must not be used when it is stale, whatever happens."""
        if self.caching.max_age is not None:
            return False
        return any(name in self.directives and self._whole(name) for name in _STRICT)

    def _whole(self, name: str) -> bool:
        """Return whether a directive is about the response, and not about some of its headers (section 5.2.2.4)."""
        return name != "no-cache" or not self.directives[name]


def _moment(value: str | None) -> float | None:
    found = None if value is None else date_of(value.encode("latin-1", "replace"))
    return None if found is None else float(found)
