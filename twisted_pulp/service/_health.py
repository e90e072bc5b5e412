"""Whether all is well, where there is no API to ask."""

from __future__ import annotations

import json
from typing import Any

from twisted.web.resource import Resource

from twisted_pulp.live import Running

__all__ = ["HealthResource"]


class HealthResource(Resource):
    """
    What the API says at the same paths, of a daemon without one: ``v1/health``, and ``v1/ready``, 503 when it is not.

    :param running: the parts of the daemon.
    """

    isLeaf = True

    def __init__(self, running: Running) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._running = running

    def render_GET(self, request: Any) -> bytes:
        """Answer."""
        health, path = self._running.health, b"/".join(request.postpath)
        if path not in (b"v1/health", b"v1/ready"):
            request.setResponseCode(404)
            return b""
        if path == b"v1/ready" and not health.ready:
            request.setResponseCode(503)
        request.setHeader(b"Content-Type", b"application/json")
        request.setHeader(b"Cache-Control", b"no-store")
        if path == b"v1/health":
            return b'{"status":"ok"}'
        return json.dumps({"ready": health.ready, "state": health.state, "degraded": health.degraded}).encode()
