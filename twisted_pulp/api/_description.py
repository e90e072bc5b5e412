"""The description of the API, for programs and for people."""

from __future__ import annotations

from typing import Any

from twisted_pulp.api._call import Call
from twisted_pulp.api._route import Answer, Route

__all__ = ["ROUTES"]

#: Nothing but what this origin has.
_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def _described(call: Call) -> dict[str, Any]:
    from twisted_pulp.api._application import routes
    from twisted_pulp.api._openapi import described

    return described(routes(), call.root, call.running.version)


async def _openapi(call: Call) -> Answer:
    return Answer(_described(call), 200, {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"})


async def _docs(call: Call) -> Answer:
    from twisted_pulp.api._docs import page

    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
    return Answer(page(_described(call), call.root), 200, headers)


async def _style(_: Call) -> Answer:
    from twisted_pulp.api._docs import STYLE

    return Answer(STYLE, 200, {"Cache-Control": "no-cache"})


ROUTES = (
    Route(
        method="GET",
        path="/openapi.json",
        says="Describe all this (OpenAPI 3.1).",
        run=_openapi,
        scope=None,
        gives=dict[str, Any],
    ),
    Route(
        method="GET",
        path="/docs",
        says="Describe all this, for people.",
        run=_docs,
        scope=None,
        kind="text/html; charset=utf-8",
    ),
    Route(
        method="GET", path="/docs.css", says="How that looks.", run=_style, scope=None, kind="text/css; charset=utf-8"
    ),
)
