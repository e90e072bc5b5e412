"""What servers answer instead of the file."""

from __future__ import annotations

from http import HTTPStatus

from twisted_pulp.errors._connection import ProxyNotAuthorized
from twisted_pulp.errors._root import DownloadError

__all__ = [
    "HTTPStatusError",
    "NotAuthorized",
    "NotFound",
    "ProtocolError",
    "RedirectError",
    "ResumeRefused",
    "RetryLater",
]

# The statuses after which another try may succeed.
_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504, 522, 524})


class HTTPStatusError(DownloadError):
    """
    The server answered, but not with the file: look at the status.

    :ivar status: the code, 400 and above.
    :ivar retry_after: the value of Retry-After, or None.
    :ivar headers: the response's headers, names in lower case.
    """

    def __init__(self, url: str, status: int, headers: dict[str, str] | None = None, phrase: str | None = None) -> None:
        if phrase is None:
            try:
                phrase = HTTPStatus(status).phrase
            except ValueError:
                phrase = ""
        super().__init__(url, f"{status} {phrase}".rstrip())
        self.status, self.headers = status, headers or {}
        self.retry_after = self.headers.get("retry-after")
        # settled by the table in docs/reference.md; 413 only when the server says when to come back.
        self.retryable = status in _RETRYABLE or (status == 413 and self.retry_after is not None)

    @classmethod
    def of(
        cls, url: str, status: int, headers: dict[str, str] | None = None, phrase: str | None = None
    ) -> HTTPStatusError | ProxyNotAuthorized:
        """
        Return the error of the class that *status* has.

        :param phrase: says more than the standard one; None is the standard one.
        """
        if status == 407:  # of no server, whoever sent it
            return ProxyNotAuthorized(url, f"407 {phrase or HTTPStatus(407).phrase}", status=407)
        return _STATUS_CLASSES.get(status, HTTPStatusError)(url, status, headers, phrase)


class NotFound(HTTPStatusError):
    """The server does not have the file (404, 410): check the URL, or sync the metadata again."""


class NotAuthorized(HTTPStatusError):
    """The server wants other credentials (401, 403): check the user name, password and headers of the Remote."""


_STATUS_CLASSES: dict[int, type[HTTPStatusError]] = {
    401: NotAuthorized,
    403: NotAuthorized,
    404: NotFound,
    410: NotFound,
}


class RedirectError(DownloadError):
    """The server redirected to where we do not go: the detail says why."""


class ProtocolError(DownloadError):
    """The server does not speak HTTP as it must: the detail says how."""


class ResumeRefused(DownloadError):
    """The rest of the file cannot be fetched alone: it is fetched again from the start."""

    retryable = True


class RetryLater(DownloadError):
    """
    The server asks to come back later than we wait: try again after `seconds`.

    :ivar seconds: how long the server asked to wait.
    """

    def __init__(self, url: str = "", seconds: float = 0.0, limit: float = 0.0) -> None:
        super().__init__(url, f"the server asked to wait {seconds:g} s, more than the {limit:g} s allowed")
        self.seconds, self.limit = seconds, limit
