"""Who is logged in."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any

from attrs import define, field

__all__ = ["Session", "Sessions"]

#: Seconds for which a session that is not used stays, and for which any does.
_IDLE, _LONGEST = 8 * 3600.0, 7 * 86_400.0
#: Sessions at once; those that were not used for longest end first.
_MOST = 1000
#: Wrong tokens in a minute from one address, after which nobody looks any more; and addresses that are remembered.
_FAILURES, _ADDRESSES = 10, 10_000
_RANKS = {"read": 1, "write": 2, "admin": 3}


@define(eq=False, kw_only=True)
class Session:
    """
    Somebody who is logged in.

    :ivar token: number of the token.
    :ivar name: of it.
    :ivar scope: what it allows.
    :ivar csrf: stands in every form that this session has got, and in no other.
    :ivar notice: to be shown on the next page: whether it is good, and what there is to say.
    """

    token: int
    name: str
    scope: str
    began: float
    used: float
    csrf: str = field(factory=lambda: secrets.token_urlsafe(24), repr=False)
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
    Everybody who is logged in; nobody is after a restart.

    :param clock: seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._all: dict[str, Session] = {}
        self._failures: Counter[str] = Counter()
        self._minute = 0.0

    def __len__(self) -> int:
        return len(self._all)

    def open(self, row: Any) -> str:
        """Begin a session of who has the token *row*, and return what the cookie says."""
        now, cookie = self._clock(), secrets.token_urlsafe(32)
        while len(self._all) >= _MOST:
            del self._all[min(self._all, key=lambda key: self._all[key].used)]
        self._all[_key(cookie)] = Session(token=row.id, name=row.name, scope=row.scope, began=now, used=now)
        return cookie

    def find(self, cookie: str | None) -> Session | None:
        """Return the session of *cookie*, or None."""
        if not cookie:
            return None
        key, now = _key(cookie), self._clock()
        found = self._all.get(key)
        if found is None:
            return None
        if now - found.used > _IDLE or now - found.began > _LONGEST:
            del self._all[key]
            return None
        found.used = now
        return found

    def close(self, session: Session) -> None:
        """End *session*."""
        self._all = {key: each for key, each in self._all.items() if each is not session}

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


def _key(cookie: str) -> str:
    """Return under which name a session is kept: how long it takes to look it up tells nothing of the cookie."""
    return hashlib.sha256(cookie.encode("utf-8", "replace")).hexdigest()
