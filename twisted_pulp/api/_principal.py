"""Who asks, and what they may."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from attrs import define, frozen
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from twisted_pulp.api._failures import Failures
from twisted_pulp.api._problems import Refused
from twisted_pulp.catalog import tokens
from twisted_pulp.errors import NotInCatalog

__all__ = ["ADMIN", "NOBODY", "Doorkeeper", "Principal", "unauthorized"]

_RANKS = {"none": 0, "read": 1, "write": 2, "admin": 3}
#: Seconds for which a token is known without asking the catalog: so long may one work that the command has revoked.
_KNOWN = 5.0
#: Tokens that are known at once.
_MOST = 10_000
#: Seconds from one note that a token was used to the next.
_NOTED = 60.0
_PREFIX = b"bearer "
#: What proxies say of those for whom they ask.
_FORWARDED = "Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"


@frozen
class Principal:
    """
    Who asks.

    :ivar id: number of the token; None: somebody without one.
    :ivar scope: what they may: "none", "read", "write" or "admin".
    """

    id: int | None
    scope: str

    def may(self, scope: str) -> bool:
        """Return whether they may do what needs *scope*."""
        return _RANKS[self.scope] >= _RANKS[scope]

    def sees(self, owner: int | None) -> bool:
        """Return whether they may know of what belongs to *owner*."""
        return self.scope == "admin" or (self.id is not None and self.id == owner)

    @property
    def only(self) -> int | None:
        """Of whose jobs alone they may know; None: of all."""
        return None if self.scope == "admin" else (self.id or 0)


NOBODY = Principal(None, "none")
ADMIN = Principal(None, "admin")


@define
class _Known:
    row: Any
    until: float
    noted: float = 0.0


class Doorkeeper:
    """
    Find out who asks, by their token.

    A token has 256 random bits, so that its plain hash tells nobody what it is, and nobody guesses it; failures are
    limited because each costs a look into the catalog. A token that is known stays welcome: who shares an address with
    somebody who guesses is not locked out.

    :param catalog: has the tokens.
    :param seconds: tells how time goes by.
    :param now: seconds since the epoch.
    :param failures: a minute and address, after which nobody looks any more.
    """

    _log = Logger()

    def __init__(
        self, catalog: Any, seconds: Callable[[], float], now: Callable[[], float], failures: int = 10
    ) -> None:
        self._catalog, self._seconds, self._now = catalog, seconds, now
        self._failures = Failures(seconds, failures)
        self._known: dict[str, _Known] = {}

    def forget(self) -> None:
        """Know no token any more: one was revoked."""
        self._known.clear()

    async def identify(self, request: Any) -> Principal:
        """
        Return who asks.

        :raises Refused: 401 when the token is none, 429 when there were too many of those.
        """
        if _local(request):
            return ADMIN
        given = request.requestHeaders.getRawHeaders(b"Authorization", [])
        if not given:
            return NOBODY
        if len(given) > 1 or given[0][: len(_PREFIX)].lower() != _PREFIX:
            raise unauthorized()
        hashed = hashlib.sha256(given[0][len(_PREFIX) :].strip(b" ")).hexdigest()
        known = self._known.get(hashed)
        if known is None or known.until <= self._seconds():
            known = await self._look(hashed, _address(request))
        row = known.row
        if row.expires is not None and row.expires <= self._now():
            raise unauthorized()
        self._note(known)
        return Principal(row.id, row.scope)

    async def knows(self, id: int) -> bool:
        """Return whether the token of this number still counts."""
        try:
            row = await self._catalog.read(tokens.get, id)
        except NotInCatalog:
            return False
        return row.expires is None or row.expires > self._now()

    async def _look(self, hashed: str, address: str) -> _Known:
        wait = self._failures.wait(address)
        if wait:
            words = "There were too many wrong tokens from your address."
            raise Refused(status=429, code="too_many_failures", detail=words, headers={"Retry-After": str(wait)})
        row = await self._catalog.read(tokens.find, hashed)
        if row is None or not hmac.compare_digest(row.hash, hashed):
            self._known.pop(hashed, None)
            self._failures.add(address)
            raise unauthorized()
        if len(self._known) >= _MOST:
            self._known.clear()
        before = self._known.get(hashed)
        noted = row.used or 0.0 if before is None else before.noted
        found = self._known[hashed] = _Known(row, self._seconds() + _KNOWN, noted)
        return found

    def _note(self, known: _Known) -> None:
        now = self._now()
        if now - known.noted >= _NOTED:
            known.noted = now
            d: Deferred[Any] = self._catalog.write(tokens.note, known.row.id, now)
            d.addErrback(lambda failure: self._log.failure("the use of a token was not noted", failure=failure))


def unauthorized() -> Refused:
    """Return the one answer to everybody who has no token that counts."""
    headers = {"WWW-Authenticate": 'Bearer realm="pulpdownloader"'}
    return Refused(status=401, code="unauthorized", detail="A token is needed that counts here.", headers=headers)


def _local(request: Any) -> bool:
    """Return whether the request came over a unix socket, whose mode says who may, and for nobody else."""
    host = request.getHost()
    return isinstance(host, UNIXAddress) and not any(map(request.requestHeaders.hasHeader, _FORWARDED))


def _address(request: Any) -> str:
    return str(getattr(request.getClientAddress(), "host", "") or "")
