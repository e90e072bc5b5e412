"""What clients are told when their file cannot be had: enough to act on, and nothing of the upstream's."""

from __future__ import annotations

from http import HTTPStatus
from math import ceil

from attrs import frozen
from twisted.internet.defer import CancelledError
from twisted.web.iweb import IRequest

from twisted_pulp.errors import (
    Cancelled,
    CatalogError,
    CatalogUnavailable,
    DownloadError,
    DownloadTimeout,
    HTTPStatusError,
    NotFound,
    PulpError,
    RetryLater,
    StorageError,
    StorageFull,
    StorageUnavailable,
)
from twisted_pulp.streamer._answer import SAFE
from twisted_pulp.streamer._conditions import date_of

__all__ = ["Refusal", "refusal_of", "told"]

_LONGEST = 7 * 86400


@frozen
class Refusal:
    """
    An answer without the file.

    :ivar status: 400 and above.
    :ivar detail: a sentence for a person.
    :ivar retry_after: the value of Retry-After, or None.
    :ivar allow: the value of Allow, or None.
    """

    status: int
    detail: str
    retry_after: str | None = None
    allow: str | None = None

    def send(self, request: IRequest) -> None:
        """Answer *request*, to its end."""
        body = f"{self.status} {HTTPStatus(self.status).phrase}\n{self.detail}\n".encode()
        request.setResponseCode(self.status)
        pairs = {b"Content-Type": b"text/plain; charset=utf-8", b"Cache-Control": b"no-store", **dict(SAFE)}
        pairs[b"Content-Length"] = b"%d" % len(body)
        if self.retry_after is not None:
            pairs[b"Retry-After"] = self.retry_after.encode("ascii")
        if self.allow is not None:
            pairs[b"Allow"] = self.allow.encode("ascii")
        for name, value in pairs.items():
            request.setHeader(name, value)
        request.write(b"" if request.method == b"HEAD" else body)
        request.finish()


def refusal_of(error: BaseException) -> Refusal:
    """
    Return what a client is told of *error*: 404 only when the upstream said so.

    Nothing of the error's own words is in it: they may name the upstream, or what it said.
    """
    if isinstance(error, HTTPStatusError):
        return _answered(error)
    if isinstance(error, RetryLater):
        return Refusal(503, "The upstream asks to come back later.", _seconds(error.seconds))
    if isinstance(error, StorageFull):
        return Refusal(503, "There is no room to keep the file.")
    if isinstance(error, Cancelled | CatalogUnavailable | StorageUnavailable):
        return Refusal(503, "The server is busy or going down; try again.")
    if isinstance(error, DownloadTimeout):
        return Refusal(504, "The upstream does not answer in time.")
    if isinstance(error, DownloadError):
        return Refusal(502, "The upstream does not give the file as it should be.")
    if isinstance(error, StorageError | CatalogError):
        return Refusal(500, "The file cannot be read from where it is kept.")
    return Refusal(500, "The server has failed; its log says why.")


def _answered(error: HTTPStatusError) -> Refusal:
    if isinstance(error, NotFound):
        return Refusal(404, "The upstream does not have the file.")
    if error.status in (429, 503):
        return Refusal(error.status, "The upstream asks to come back later.", _later(error.retry_after))
    if error.status in (408, 504, 522, 524):
        return Refusal(504, "The upstream does not answer in time.")
    return Refusal(502, "The upstream does not give the file.")


def _later(value: str | None) -> str | None:
    """Return an upstream's Retry-After, if it is one: seconds or a date (RFC 9110 section 10.2.3)."""
    if value is None or not value.isascii():
        return None
    value = value.strip(" \t")
    if value.isdecimal():
        return _seconds(int(value[:9]))
    return value if date_of(value.encode("ascii")) is not None else None


def _seconds(seconds: float) -> str:
    return str(min(max(0, ceil(seconds)), _LONGEST))


def told(error: BaseException) -> BaseException:
    """Return what clients are told: the server's own answer, where it asks to come back later than we want to wait."""
    report = getattr(error, "report", None)
    if isinstance(error, RetryLater) and report is not None and report.attempts:
        last = report.attempts[-1].error
        if isinstance(last, HTTPStatusError):
            return last
    if isinstance(error, CancelledError) and not isinstance(error, PulpError):
        return Cancelled(detail="nobody wants it any more")
    return error
