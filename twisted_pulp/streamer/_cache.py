"""
What RFC 9111 makes of a stored response and a request for it: decided here, done elsewhere.

The steps are those of `hishel`. It knows time only as the machine's clock, nothing of Age, and nothing of RFC 5861; so
time is the business of `twisted_pulp.streamer._lifetime`, and hishel is shown a response that is fresh or stale beyond
doubt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from email.utils import formatdate
from typing import Any
from uuid import UUID

from attrs import field, frozen
from hishel import (
    CacheMiss,
    CacheOptions,
    Entry,
    FromCache,
    Headers,
    IdleClient,
    InvalidateEntries,
    NeedRevalidation,
    NeedToBeUpdated,
    Request,
    Response,
    StoreAndUse,
)

from twisted_pulp.streamer._caching import Caching
from twisted_pulp.streamer._directives import directives
from twisted_pulp.streamer._fields import ALLOWED, forwarded
from twisted_pulp.streamer._lifetime import Lifetime, Times

__all__ = ["AT", "Consultation", "Pairs", "consulted", "known_fields"]

#: Names in lower case, and values.
Pairs = tuple[tuple[str, str], ...]

#: Among the headers that are kept: where the response was in the end, if redirects led there. No client sees it.
AT = ":url"

_OPTIONS = CacheOptions(shared=True, supported_methods=["GET"], allow_stale=False)
_KEPT = ALLOWED | {"date"}
# Right for one answer only.
_OF_ONE_ANSWER = frozenset({"age", "date"})
_LAST_DATE = 253402300799  # the last second of the year 9999
_URL, _ID = "http://upstream/", UUID(int=0)


def known_fields(pairs: Iterable[tuple[bytes, bytes]]) -> Pairs:
    """Return the headers of a response that are kept, in lower case, each once, without what would not be one line."""
    told = forwarded(pairs, _KEPT)
    found = {name.lower(): value for name, value in told.fields}
    more = {"content-type": told.type, "etag": told.tag, "cache-control": told.cache_control}
    found |= {name: value for name, value in more.items() if value is not None}
    if told.modified is not None:
        found["last-modified"] = formatdate(min(max(told.modified, 0), _LAST_DATE), usegmt=True)
    return tuple(sorted(found.items()))


@frozen
class Consultation:
    """
    What is to be done about a request.

    :ivar lifetime: of what is stored; None when nothing is.
    :ivar fresh: whether that can be given out as it is.
    """

    lifetime: Lifetime | None
    _state: IdleClient | CacheMiss | FromCache | NeedRevalidation = field(repr=False)
    _caching: Caching = field(repr=False)

    @property
    def fresh(self) -> bool:
        """Whether what is stored can be given out as it is."""
        return isinstance(self._state, FromCache)

    @property
    def conditions(self) -> dict[str, str]:
        """The headers that ask the upstream only whether what is stored is still right."""
        if not isinstance(self._state, NeedRevalidation):
            return {}
        given = self._state.request.headers
        return {name: given[name] for name in ("If-None-Match", "If-Modified-Since") if name in given}

    def storable(self, fields: Pairs) -> Pairs | None:
        """Return what is to be kept of the headers of a whole response (200), or None when it must not be kept."""
        missed = CacheMiss(request=_request({}), options=_OPTIONS)
        state: Any = missed.next(Response(200, Headers(_shown(dict(fields), self._caching))))
        if not isinstance(state, StoreAndUse):
            return None
        kept = state.response.headers
        return tuple((name, value) for name, value in fields if name in kept or name == "cache-control")

    def confirmed(self, fields: Pairs) -> Pairs | None:
        """
        Return the headers of what is stored once the upstream has said that it is still right (304).

        :param fields: of the 304.
        :returns: None when that was said of something else.
        """
        if not isinstance(self._state, NeedRevalidation):
            return None
        state: Any = self._state.next(Response(304, Headers(dict(fields))))
        while isinstance(state, InvalidateEntries):
            state = state.next()
        if not isinstance(state, NeedToBeUpdated):
            return None
        assert self.lifetime is not None
        before = {name: value for name, value in self.lifetime.fields.items() if name not in _OF_ONE_ANSWER}
        # Of what hishel was shown, Cache-Control was not the upstream's own.
        told = dict(fields)
        updated = state.updating_entries[-1].response.headers
        control = {} if "cache-control" not in before else {"cache-control": before["cache-control"]}
        merged = {**{name: updated[name] for name in updated if name != "cache-control"}, **control}
        merged |= {name: told[name] for name in ("cache-control", *_OF_ONE_ANSWER) if name in told}
        return tuple(sorted((name, value) for name, value in merged.items() if name in _KEPT or name == AT))


def consulted(
    fields: Pairs | None,
    vary: Mapping[str, str],
    times: Times,
    asked: Mapping[str, str],
    caching: Caching,
    now: float,
) -> Consultation:
    """
    Return what is to be done about a request.

    :param fields: of the stored response; None when there is none.
    :param vary: the headers of the request that it was the answer to, as far as it says that they matter.
    :param times: of the stored response.
    :param asked: the headers of the request now.
    """
    request = _request(asked)
    idle = IdleClient(options=_OPTIONS)
    if fields is None:
        return Consultation(None, idle.next(request, []), caching)
    lifetime = Lifetime(dict(fields), times, caching)
    if not _ours(lifetime, caching) or _differs(lifetime.fields.get("vary", ""), vary, asked):
        return Consultation(None, idle.next(request, []), caching)
    lasting = {name: value for name, value in fields if name not in (*_OF_ONE_ANSWER, "expires")}
    shown = Headers(_shown(lasting, caching, fresh=lifetime.fresh(now)))
    entry = Entry(_ID, request, Response(200, shown))
    return Consultation(lifetime, idle.next(request, [entry]), caching)


def _request(asked: Mapping[str, str]) -> Request:
    return Request("GET", _URL, Headers(dict(asked)))


def _ours(lifetime: Lifetime, caching: Caching) -> bool:
    """Return whether what another Distribution has stored may be given out by this one."""
    return caching.store_private or bool(lifetime.directives.get("private", "some"))


def _differs(names: str, vary: Mapping[str, str], asked: Mapping[str, str]) -> bool:
    given = (name.strip(" \t").lower() for name in names.split(","))
    return any(vary.get(name) != asked.get(name) for name in given if name and name != "*")


def _shown(fields: dict[str, str], caching: Caching, *, fresh: bool | None = None) -> dict[str, str | list[str]]:
    """Return *fields* with a Cache-Control that nobody can misread, and that says whether the response is fresh."""
    given = {name: value or None for name, value in directives(fields.get("cache-control")).items()}
    if "no-store" in given:
        given["no-store"] = None
    if caching.store_private:
        given.pop("private", None)
    if caching.max_age is not None:
        given.pop("no-cache", None)
    if fresh is not None:
        given = {name: value for name, value in given.items() if name not in ("max-age", "s-maxage")}
        given["s-maxage"] = str(2**31 - 1) if fresh else "0"
    said = [name if value is None else f'{name}="{value}"' for name, value in given.items() if _plain(value)]
    return {**fields, "cache-control": ", ".join(said)}


def _plain(value: str | None) -> bool:
    return value is None or ('"' not in value and "\\" not in value)
