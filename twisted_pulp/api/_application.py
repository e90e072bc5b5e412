"""The routes of the API, as a klein application."""

from __future__ import annotations

import functools
from typing import Any

from klein import Klein
from twisted.internet.defer import Deferred
from werkzeug.exceptions import HTTPException

from twisted_pulp.api import (
    _cluster,
    _description,
    _distributions,
    _downloads,
    _jobs,
    _remotes,
    _repositories,
    _schedules,
    _service,
    _tokens,
    _versions,
    _work,
)
from twisted_pulp.api._problems import Refused
from twisted_pulp.api._route import Route

__all__ = ["application", "routes"]

_WORDS = {404: "There is nothing here.", 405: "That cannot be done here."}


def routes() -> tuple[Route, ...]:
    """Return everything that can be asked."""
    found: tuple[Route, ...] = ()
    for module in (
        _downloads,
        _jobs,
        _remotes,
        _repositories,
        _versions,
        _distributions,
        _work,
        _schedules,
        _tokens,
        _service,
        _cluster,
        _description,
    ):
        found += module.ROUTES
    return found


def application(api: Any) -> Klein:
    """Return what answers for *api*."""
    bound: Klein = _application().__get__(api, type(api))
    return bound


@functools.cache
def _application() -> Klein:
    # The routes are the same for every API, and take a moment to make.
    app = Klein()
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    for route in routes():
        _add(app, route)

    @app.handle_errors(HTTPException)
    def lost(self: Any, request: Any, failure: Any) -> None:
        error = failure.value
        methods = getattr(error, "valid_methods", None)
        headers = {"Allow": ", ".join(sorted(methods))} if methods else {}
        # What no method can ask for is not there.
        status = 405 if error.code == 405 and methods else 404
        self.refuse(request, Refused(status=status, detail=_WORDS[status], headers=headers), end=False)

    return app


def _add(app: Klein, route: Route) -> None:
    def answer(api: Any, request: Any, **path: Any) -> Any:
        return Deferred.fromCoroutine(api.answer(route, request, **path))

    answer.__name__ = route.name
    app.route(route.path, methods=[route.method], endpoint=route.name)(answer)
