"""Where requests come in: who asks is looked at here, and what goes out is made safe."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import IResource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from twisted_pulp.dashboard import _static
from twisted_pulp.dashboard._failures import status_of
from twisted_pulp.dashboard._login import COOKIE, identified, login, login_page
from twisted_pulp.dashboard._routes import ROUTES
from twisted_pulp.dashboard._sessions import Session
from twisted_pulp.dashboard._templates import load, loaded, rendered
from twisted_pulp.dashboard._visit import Elsewhere, Page, Unfit, Visit
from twisted_pulp.errors import PulpError

if TYPE_CHECKING:
    from twisted_pulp.dashboard._dashboard import Dashboard

__all__ = ["Leaf"]

_HEADERS = {
    b"Content-Security-Policy": (
        b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    b"X-Content-Type-Options": b"nosniff",
    b"X-Frame-Options": b"DENY",
    b"Referrer-Policy": b"same-origin",
    b"Cross-Origin-Opener-Policy": b"same-origin",
    b"Cross-Origin-Resource-Policy": b"same-origin",
}
_METHODS = {b"GET": "GET", b"HEAD": "GET", b"POST": "POST"}
_LONGEST = 2048


@implementer(IResource)
class Leaf:
    """
    Answers every request for the dashboard.

    :param dashboard: the dashboard.
    """

    isLeaf = True
    _log = Logger()

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard, self._running = dashboard, dashboard.running

    def getChildWithDefault(self, name: bytes, request: Any) -> IResource:
        """Return this, which is a leaf."""
        return self

    def putChild(self, path: bytes, child: IResource) -> None:
        """:raises TypeError: always: a leaf has no children."""
        raise TypeError("a leaf has no children")

    def render(self, request: Any) -> int:
        """Answer *request*."""
        for name, value in _HEADERS.items():
            request.responseHeaders.setRawHeaders(name, [value])
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        d = Deferred.fromCoroutine(self._answer(request, gone))
        d.addErrback(self._broke, request, gone)
        return NOT_DONE_YET

    async def _answer(self, request: Any, gone: list[object]) -> None:
        method = _METHODS.get(request.method)
        segments = [unquote(part, errors="replace") for part in request.path.decode("latin-1").split("/")[1:]]
        if method is None:
            request.setHeader(b"Allow", b"GET, HEAD, POST")
            self._show(request, self._wrong(None, 405, "This can be shown, or be given a form."))
            return
        if method == "GET" and segments[0] == "static":
            _static.send(request, "/".join(segments[1:]))
            return
        request.setHeader(b"Cache-Control", b"no-store")
        reactor = self._running.reactor
        if not loaded() and IReactorThreads.providedBy(reactor):  # the first page would keep everybody else waiting
            await deferToThreadPool(reactor, reactor.getThreadPool(), load)
        answer, session = await self._answered(request, method, segments, gone)
        if gone or answer is None:
            return
        if isinstance(answer, Elsewhere):
            if session is not None and answer.said is not None:
                await self._dashboard.sessions.say(session, answer.good, answer.said)
            if gone:
                return
            request.setResponseCode(303)
            request.setHeader(b"Location", quote(answer.path, safe="/?=&%+:@,;~!$'()*").encode("ascii"))
            request.finish()
            return
        notice = None if session is None else await self._dashboard.sessions.heard(session)
        if not gone:
            self._show(request, answer, session, notice)

    async def _answered(self, request: Any, method: str, segments: list[str], gone: list[object]) -> Any:
        """Return what is to be shown, or None where somebody else answers; and to whom."""
        session: Session | None = None
        try:
            if method == "POST":
                _check_origin(request)
            if segments == ["login"]:
                answer = await login(self._dashboard, request) if method == "POST" else login_page(request)
                return answer, None
            session = await identified(self._dashboard, request)
            if session is None:
                if method == "POST" or segments == ["live"]:
                    raise Unfit(403, "You are not logged in any more. Log in, and do it again.")
                path = request.uri.decode("latin-1")
                return Elsewhere("/login" if path == "/" else f"/login?next={quote(path, safe='')}"), None
            if segments == ["live"]:
                if not gone:
                    lasts = partial(self._dashboard.sessions.lasts, session)
                    self._dashboard.streams.serve(request, wanted=_wanted(session), lasts=lasts)
                return None, session
            visit = Visit(self._running, session, request.path.decode("latin-1"), _fields(request))
            return await self._routed(visit, request, method, segments), session
        except (Unfit, PulpError) as error:
            if isinstance(error, PulpError) and status_of(error) >= 500:
                self._log.warn("a page could not be shown: {error}", error=error)
            return self._wrong(session, *_told(error)), session

    async def _routed(self, visit: Visit, request: Any, method: str, segments: list[str]) -> Any:
        if method == "POST" and not visit.session.wrote(visit.text("csrf")):
            raise Unfit(403, "This form is not of your session. Go back, load the page again, and do it again.")
        if segments == ["logout"] and method == "POST":
            await self._dashboard.sessions.close(visit.session)
            request.addCookie(COOKIE, "", path="/", max_age="0", httpOnly=True, sameSite="strict")
            return Elsewhere("/login")
        for route in ROUTES:
            given = route.match(method, segments)
            if given is None:
                continue
            if not visit.session.may(route.scope):
                raise Unfit(403, f"Your token allows only to {visit.session.scope}; this needs {route.scope}.")
            return await route.answer(visit, *given)
        raise Unfit(404, "There is no such page.")

    def _wrong(self, session: Session | None, status: int, reason: str) -> Page:
        return Page("wrong.html", {"title": _TITLES.get(status, "That did not work"), "reason": reason}, status)

    def _show(self, request: Any, page: Page, session: Session | None = None, notice: Any = None) -> None:
        running = self._running
        shared = {
            "session": session,
            "notice": notice,
            "health": running.health,
            "version": running.version,
            "shared": running.nodes is not None and bool(running.nodes.others),
            "now": running.context.now(),
            "path": request.path.decode("latin-1"),
            "static": _static.url,
        }
        body = rendered(page.template, {**shared, **page.values})
        request.setResponseCode(page.status)
        request.setHeader(b"Content-Type", b"text/html; charset=utf-8")
        request.setHeader(b"Content-Length", b"%d" % len(body))
        request.write(b"" if request.method == b"HEAD" else body)
        request.finish()

    def _broke(self, why: Failure, request: Any, gone: list[object]) -> None:
        if not why.check(CancelledError):
            self._log.failure("a page could not be shown", why)
        if not gone and not request.startedWriting:
            self._show(request, self._wrong(None, 500, "A mistake of ours: the log says more."))


_TITLES = {403: "Not allowed", 404: "Nothing here", 409: "Too late", 429: "Too many tries", 503: "Not now"}


def _told(error: Unfit | PulpError) -> tuple[int, str]:
    return (error.status, error.reason) if isinstance(error, Unfit) else (status_of(error), str(error))


def _fields(request: Any) -> dict[str, str]:
    """Return the fields of the query and the form, the first of each name."""
    return {
        name.decode("utf-8", "replace"): values[0].decode("utf-8", "replace") for name, values in request.args.items()
    }


def _check_origin(request: Any) -> None:
    """:raises Unfit: when another site sends the form."""
    site = request.getHeader("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        raise Unfit(403, "This form comes from another site.")
    origin, host = request.getHeader("Origin"), request.getHeader("Host")
    if origin is not None and origin.partition("://")[2] != host:
        raise Unfit(403, "This form comes from another site.")


def _wanted(session: Session) -> Any:
    def wanted(event: Any) -> bool:
        return event.name in ("health", "throughput") or session.only is None or session.sees(event.data.get("owner"))

    return wanted
