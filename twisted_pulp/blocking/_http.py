"""Metadata by HTTP, for those who wait."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred

from twisted_pulp.blocking._reactor import call
from twisted_pulp.errors import shown

__all__ = ["HTTPClient", "Response"]


@frozen
class Response:
    """
    An answer, whatever its status, with its whole body.

    :ivar url: that answered, after redirects.
    :ivar status: the code.
    :ivar headers: names in lower case; repeated ones joined with ", ".
    """

    url: str = field(repr=shown)
    status: int
    headers: Mapping[str, str] = field(repr=lambda headers: repr(list(headers)))
    _body: bytes = field(repr=False)

    def content(self) -> bytes:
        """Return the body, decoded from gzip where it was sent so."""
        return self._body

    def text(self, encoding: str | None = None) -> str:
        """
        Return the body as text.

        :param encoding: default None: what Content-Type says, else UTF-8.
        :raises UnicodeDecodeError: when it is not in that encoding.
        """
        if encoding is None:
            said = Message()
            said["Content-Type"] = self.headers.get("content-type", "")
            encoding = said.get_content_charset("utf-8")
        return self._body.decode(encoding)

    def json(self) -> Any:
        """
        Return what the body says in JSON.

        :raises ValueError: when it is no JSON.
        """
        return json.loads(self._body)


class HTTPClient:
    """
    Requests for metadata: over the same connections and with the same credentials as downloads.

    Every status is an answer; there is no retry. Bodies are decoded, up to `Limits.max_metadata_size` bytes.

    :param client: returns the treq HTTPClient below; called in the reactor's thread.
    """

    def __init__(self, client: Callable[[], Any]) -> None:
        self._client = client

    def request(self, method: str, url: str, **options: Any) -> Response:
        """
        Make a request, and wait for the whole answer.

        :param options: those of `treq.request`: params, headers, data, json, auth, cookies, timeout in seconds.
        :raises PulpError: when no answer came, or not all of it.
        """
        return call(self._request, method, url, options)  # type: ignore[no-any-return]

    def get(self, url: str, **options: Any) -> Response:
        """GET; see `request`."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> Response:
        """HEAD; see `request`."""
        return self.request("HEAD", url, **options)

    def post(self, url: str, **options: Any) -> Response:
        """POST; see `request`."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> Response:
        """PUT; see `request`."""
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Any) -> Response:
        """PATCH; see `request`."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Any) -> Response:
        """DELETE; see `request`."""
        return self.request("DELETE", url, **options)

    def _request(self, method: str, url: str, options: dict[str, Any]) -> Deferred[Response]:
        return Deferred.fromCoroutine(self._answer(method, url, options))

    async def _answer(self, method: str, url: str, options: dict[str, Any]) -> Response:
        from twisted.web.client import PartialDownloadError, readBody

        from twisted_pulp.http import fields_of

        # Unbuffered, because only then the body can be broken off.
        response = await self._client().request(method, url, unbuffered=True, **options)
        try:
            body = await readBody(response)
        except PartialDownloadError as partial:  # it ended with the connection, as old servers do it
            body = partial.response or b""
        # The codings were undone, but Twisted leaves an empty header behind.
        headers = {name: value for name, value in fields_of(response).items() if name != "content-encoding"}
        return Response(response.request.absoluteURI.decode("latin-1"), response.code, headers, body)
