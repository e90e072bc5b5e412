"""How a token becomes a session."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from twisted_pulp.dashboard._sessions import Session
from twisted_pulp.dashboard._visit import Elsewhere, Page

if TYPE_CHECKING:
    from twisted_pulp.dashboard._dashboard import Dashboard

__all__ = ["COOKIE", "identified", "login", "login_page"]

COOKIE = b"pulpdownloader_session"
_LONGEST = 1000


def login_page(request: Any, reason: str | None = None, status: int = 200) -> Page:
    """Return the page that asks for a token."""
    return Page("login.html", {"reason": reason, "next": _next(request)}, status)


async def login(dashboard: Dashboard, request: Any) -> Page | Elsewhere:
    """Begin a session of who has sent a token, or ask again."""
    address = str(getattr(request.getClientAddress(), "host", "") or "")
    wait = dashboard.sessions.wait(address)
    if wait:
        request.setHeader(b"Retry-After", b"%d" % wait)
        return login_page(request, f"There were too many wrong tokens. Try again in {wait} s.", 429)
    given = _field(request, b"token").strip()
    row = await _row(dashboard, given) if given and len(given) < _LONGEST else None
    if row is None:
        dashboard.sessions.failed(address)
        return login_page(request, "This is no token that counts here.", 401)
    cookie = await dashboard.sessions.open(row)
    request.addCookie(COOKIE, cookie, path="/", httpOnly=True, sameSite="strict", secure=_secure(request))
    return Elsewhere(_next(request))


async def identified(dashboard: Dashboard, request: Any) -> Session | None:
    """Return the session of who asks, or None."""
    cookie = request.getCookie(COOKIE)
    return await dashboard.sessions.find(None if cookie is None else cookie.decode("latin-1"))


async def _row(dashboard: Dashboard, given: str) -> Any:
    from twisted_pulp.catalog import tokens

    row = await dashboard.running.data.catalog.read(tokens.find, hashlib.sha256(given.encode()).hexdigest())
    return None if row is None or _expired(dashboard, row) else row


def _expired(dashboard: Dashboard, row: Any) -> bool:
    return row.expires is not None and row.expires <= dashboard.running.context.now()


def _secure(request: Any) -> bool:
    """Return whether the browser speaks TLS, to us or to a proxy: who says so untruly harms their own cookie."""
    return bool(request.isSecure()) or request.getHeader(b"X-Forwarded-Proto") == b"https"


def _field(request: Any, name: bytes) -> str:
    found: bytes = request.args.get(name, [b""])[0]
    return found.decode("utf-8", "replace")


def _next(request: Any) -> str:
    """Return the page that was asked for before; only one of ours."""
    given = _field(request, b"next")
    ours = given.startswith("/") and not given.startswith(("//", "/login")) and given.isprintable()
    return given if ours and "\\" not in given else "/"
