"""The API as a resource: who asks, for what, and how it is answered."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web.resource import IResource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from twisted_pulp.api._call import Call, send
from twisted_pulp.api._downloads import lines_of
from twisted_pulp.api._intake import Dropped, Whole
from twisted_pulp.api._principal import NOBODY, Doorkeeper, Principal, unauthorized
from twisted_pulp.api._problems import Refused, refused_by
from twisted_pulp.api._route import Answer, Route
from twisted_pulp.errors import CatalogUnavailable
from twisted_pulp.live import EventStreams

__all__ = ["API"]

_ANY = 2**63 - 1
#: Names in paths that stand for numbers, and how high these may be.
_NUMBERS, _HIGHEST = frozenset({"number", "id"}), 2**31 - 1
_number = re.compile(r"[1-9][0-9]{0,9}").fullmatch
_FAILED = Refused(status=500, detail="The server has failed; its log says why.")
_LINES = frozenset({b"application/jsonl", b"application/x-ndjson", b"application/jsonlines", b"application/ndjson"})


class API:
    """
    The API of a daemon.

    :param running: the daemon.
    :param failures: wrong tokens that an address may send in a minute; default 10.
    :param now: seconds since the epoch; default `time.time`.
    """

    _log = Logger()

    def __init__(self, running: Any, *, failures: int = 10, now: Callable[[], float] = time.time) -> None:
        self.running = running
        self.now = now
        self.doorkeeper = Doorkeeper(running.data.catalog, running.reactor.seconds, now, failures)
        self.streams = EventStreams(running.feed, running.reactor)
        self._app: Any = None

    def resource(self) -> IResource:
        """Return what is to be put into a site at /api/v1; for bodies to be taken in safely, it is an `APISite`."""
        return _Root(self)

    def prepare(self) -> Any:
        """Make what finds the routes, which takes a moment; else the first request does."""
        if self._app is None:
            from twisted_pulp.api._application import application

            self._app = application(self).resource()
        return self._app

    # what APISite asks for
    def room(self, request: Any) -> int:
        """Return how many bytes of body *request* may have."""
        return _ANY if _has_lines(request) else int(self.running.settings.limits.body)

    def take(self, request: Any, method: bytes, target: bytes) -> None:
        """Let the body of *request*, which begins to come, be taken in when it is known who sends it."""
        request.hold()
        d = Deferred.fromCoroutine(self.doorkeeper.identify(request))
        d.addCallbacks(partial(self._admitted, request, method, target), partial(self._refused, request))
        d.addErrback(lambda failure: self._log.failure("a body could not be taken in", failure=failure))
        d.addCallback(lambda _: request.release())

    def _admitted(self, request: Any, method: bytes, target: bytes, principal: Principal) -> None:
        request.admitted = principal
        if not principal.may("write"):
            request.intake = Dropped(request.refuse, _denied(principal, "write"))
        elif method == b"POST" and target.partition(b"?")[0].endswith(b"/downloads") and _has_lines(request):
            try:
                request.intake = lines_of(self.running, request, target, principal)
            except Refused as refused:
                request.admitted, request.intake = refused, Dropped(request.refuse, refused)
        else:
            limits = self.running.settings.limits
            request.intake = Whole(limits.body, limits.depth, request.refuse)

    def _refused(self, request: Any, failure: Any) -> None:
        request.admitted = refused = self._told(failure.value, failure)
        request.intake = Dropped(request.refuse, refused)

    def _told(self, error: BaseException, failure: Any = None) -> Refused:
        """Return what is answered to what went wrong; what only we can understand goes to the log."""
        refused = refused_by(error)
        if refused is None:
            self._log.failure("a request failed", failure=failure)
        return refused or _FAILED

    # answering
    async def answer(self, route: Route, request: Any, **path: Any) -> None:
        """Answer *request*, to its end."""
        request.route = f"{request.api_root}{route.path}"
        try:
            if route.prompt:
                self._look()
            principal = NOBODY if route.scope is None else await self._principal(request)
            if route.scope is not None and not principal.may(route.scope):
                raise _denied(principal, route.scope)
            call = Call(self, request, route, principal)
            given = await route.run(call, **_placed(path))
        except CancelledError:
            raise
        except Exception as error:
            self.refuse(request, self._told(error))
            return
        if given is NOT_DONE_YET:
            await request.notifyFinish().addErrback(lambda _: None)
        else:
            send(request, given if isinstance(given, Answer) else Answer(given, route.status), route.kind)

    def _look(self) -> None:
        """Raise what is known to be wrong with the catalog; everybody is told so who asks whether we are ready."""
        reason = self.running.health.degraded.get("catalog")
        if reason is not None:
            raise refused_by(CatalogUnavailable(f"the catalog cannot be used: {reason}")) or _FAILED

    async def _principal(self, request: Any) -> Principal:
        admitted = getattr(request, "admitted", None)
        if admitted is None:
            return await self.doorkeeper.identify(request)
        if isinstance(admitted, Refused):
            raise admitted
        assert isinstance(admitted, Principal)
        return admitted

    def refuse(self, request: Any, refused: Refused, *, end: bool = True) -> None:
        """Answer *request* with a problem; see `send`."""
        path = request.path.decode("utf-8", "replace")
        document = msgspec.json.encode(refused.problem(path))
        headers = {"Cache-Control": "no-store", **refused.headers}
        send(request, Answer(document, refused.status, headers), "application/problem+json", end=end)


def _denied(principal: Principal, scope: str) -> Refused:
    if principal is NOBODY:
        return unauthorized()
    return Refused(status=403, code="forbidden", detail=f"The token does not allow what needs the scope {scope}.")


def _placed(path: Mapping[str, str]) -> dict[str, Any]:
    """
    Return what stands for the names in a path, numbers as such.

    :raises Refused: when it stands for nothing.
    """
    found: dict[str, Any] = dict(path)
    for name in _NUMBERS & path.keys():
        if not _number(path[name]) or int(path[name]) > _HIGHEST:
            raise Refused(status=404, code="not_found", detail=f"there is no {name} {path[name][:64]}")
        found[name] = int(path[name])
    return found


def _has_lines(request: Any) -> bool:
    kind = request.requestHeaders.getRawHeaders(b"Content-Type", [b""])[0]
    return kind.partition(b";")[0].strip().lower() in _LINES


@implementer(IResource)
class _Root:
    """The API below wherever it is put."""

    isLeaf = True

    def __init__(self, api: API) -> None:
        self._api = api

    def render(self, request: Any) -> Any:
        try:
            request.path.decode("ascii")
            b"/".join(request.postpath).decode("utf-8")
            request.method.decode("ascii")
            request.getRequestHostname().decode("ascii").encode("idna")
        except UnicodeError:
            self._api.refuse(request, Refused(status=400, detail="The path is no UTF-8, or the Host none."))
            return NOT_DONE_YET
        if b"" in request.postpath[1:] or (request.postpath[:1] == [b""] and request.postpath[1:]):
            self._api.refuse(request, Refused(status=404, detail="There is nothing here."))
            return NOT_DONE_YET
        request.api_root = "".join(f"/{each.decode()}" for each in request.prepath)
        return self._api.prepare().render(request)

    def getChildWithDefault(self, name: bytes, request: Any) -> IResource:
        return self

    def putChild(self, path: bytes, child: IResource) -> None:
        raise TypeError("the API has no children")
