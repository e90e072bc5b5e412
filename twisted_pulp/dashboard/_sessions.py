"""Who is logged in."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from twisted_pulp.errors import PulpError

__all__ = ["Session", "Sessions"]

#: Seconds for which a session that is not used stays, and for which any does; and from one note of a use to the next.
_IDLE, _LONGEST, _NOTED = 8 * 3600.0, 7 * 86_400.0, 60.0
#: Sessions at once; those that were not used for longest end first.
_MOST = 1000
#: Wrong tokens in a minute from one address, after which nobody looks any more; and addresses that are remembered.
_FAILURES, _ADDRESSES = 10, 10_000
_RANKS = {"read": 1, "write": 2, "admin": 3}
#: Random bytes of a cookie, and what it looks like: what cannot be one is not looked up.
_BYTES, _COOKIE = 32, re.compile(r"[A-Za-z0-9_-]{43}").fullmatch


@define(eq=False, kw_only=True)
class Session:
    """
    Somebody who is logged in.

    :ivar key: by which the catalog knows it.
    :ivar token: number of the token.
    :ivar name: of it.
    :ivar scope: what it allows.
    :ivar csrf: stands in every form that this session has got, and in no other.
    :ivar notice: to be shown on the next page: whether it is good, and what there is to say.
    """

    key: str = field(repr=False)
    token: int
    name: str
    scope: str
    csrf: str = field(repr=False)
    notice: tuple[bool, str] | None = None

    def may(self, scope: str) -> bool:
        """Return whether it may do what needs *scope*."""
        return _RANKS.get(self.scope, 0) >= _RANKS[scope]

    def sees(self, owner: int | None) -> bool:
        """Return whether it may know of what belongs to *owner*."""
        return self.scope == "admin" or self.token == owner

    @property
    def only(self) -> int | None:
        """Of whose jobs alone it may know; None: of all."""
        return None if self.scope == "admin" else self.token

    def wrote(self, csrf: str) -> bool:
        """Return whether a form with *csrf* is one of ours."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())


class Sessions:
    """
    Everybody who is logged in, whichever process they have logged in with, and when that was.

    The catalog has hashes only; from a cookie comes what makes its session's forms known.

    :param catalog: has them.
    :param now: seconds since the epoch.
    :param clock: seconds that never jump.
    """

    _log = Logger()

    def __init__(self, catalog: Any, now: Callable[[], float], clock: Callable[[], float]) -> None:
        self._catalog, self._now, self._clock = catalog, now, clock
        self._noting: set[str] = set()
        self._failures: Counter[str] = Counter()
        self._minute = 0.0

    async def open(self, row: Any) -> str:
        """
        Begin a session of who has the token *row*, and return what the cookie says.

        :raises CatalogError: it could not be kept.
        """
        from twisted_pulp.catalog import sessions

        cookie = secrets.token_urlsafe(_BYTES)
        limits = _IDLE, _LONGEST, _MOST
        await self._catalog.write(sessions.begin, _key(cookie), row.id, self._now(), *limits)
        return cookie

    async def find(self, cookie: str | None) -> Session | None:
        """
        Return the session of *cookie*, or None; it ends with its token.

        :raises CatalogError: it could not be looked up.
        """
        from twisted_pulp.catalog import sessions

        if not cookie or _COOKIE(cookie) is None:
            return None
        key, now = _key(cookie), self._now()
        row = await self._catalog.read(sessions.find, key)
        if row is None or not hmac.compare_digest(row.hash, key) or _over(row, now):
            return None
        if now - row.used >= _NOTED and key not in self._noting:
            self._note(key, now)
        notice = None if row.notice is None else (row.good, row.notice)
        return Session(key=key, token=row.token, name=row.name, scope=row.scope, csrf=_csrf(cookie), notice=notice)

    async def lasts(self, session: Session) -> bool:
        """
        Return whether *session* is not over; to ask that is no use of it.

        :raises CatalogError: it could not be looked up.
        """
        from twisted_pulp.catalog import sessions

        row = await self._catalog.read(sessions.find, session.key)
        return row is not None and not _over(row, self._now())

    def _note(self, key: str, now: float) -> None:
        """Note that a session is used; nobody waits for that."""
        from twisted_pulp.catalog import sessions

        def over(_: object) -> None:
            self._noting.discard(key)

        self._noting.add(key)
        Deferred.fromCoroutine(self._tried(self._catalog.write(sessions.note, key, now))).addBoth(over)

    async def say(self, session: Session, good: bool, words: str) -> None:
        """Keep *words* for the next page of *session*, where that can be done."""
        from twisted_pulp.catalog import sessions

        await self._tried(self._catalog.write(sessions.say, session.key, words.replace("\0", ""), good))

    async def heard(self, session: Session) -> tuple[bool, str] | None:
        """Return what is to be shown on this page of *session*, and not on another."""
        from twisted_pulp.catalog import sessions

        notice = session.notice
        if notice is not None:
            await self._tried(self._catalog.write(sessions.heard, session.key, notice[1]))
        return notice

    async def _tried(self, done: Deferred[Any]) -> None:
        try:
            await done
        except PulpError as error:
            self._log.warn("something about a session was not noted: {error}", error=error)

    async def close(self, session: Session) -> None:
        """
        End *session*, for all processes.

        :raises CatalogError: it lasts.
        """
        from twisted_pulp.catalog import sessions

        await self._catalog.write(sessions.end, session.key)

    # guessing
    def wait(self, address: str) -> int:
        """Return for how many seconds *address* must not try again; 0: it may."""
        now = self._clock()
        if now - self._minute >= 60:
            self._failures.clear()
            self._minute = now
        return max(1, int(self._minute + 60 - now)) if self._failures[address] >= _FAILURES else 0

    def failed(self, address: str) -> None:
        """Note that *address* gave a wrong token."""
        if len(self._failures) >= _ADDRESSES:
            self._failures.clear()
        self._failures[address] += 1


def _over(row: Any, now: float) -> bool:
    """Return whether a session is over; also one that was used in a time to come: some clock has jumped."""
    expired: bool = row.expires is not None and row.expires <= now
    return expired or abs(now - row.used) > _IDLE or abs(now - row.created) > _LONGEST


def _key(cookie: str) -> str:
    """Return under which name a session is kept: how long it takes to look it up tells nothing of the cookie."""
    return hashlib.sha256(cookie.encode()).hexdigest()


def _csrf(cookie: str) -> str:
    """Return what stands in the forms of the session of *cookie*; it tells nothing of that."""
    return hmac.new(cookie.encode(), b"form", hashlib.sha256).hexdigest()
