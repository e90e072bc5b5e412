"""What every error has: words for a person, and no secrets."""

from __future__ import annotations

import re

__all__ = ["DownloadError", "PulpError", "SettingsError", "StorageError", "shown"]

_USERINFO = re.compile(r"(\A\s*[A-Za-z][A-Za-z0-9+.-]*:/*)[^/?#]*@")
_VALUES = re.compile(r"([?&;][^=&;#]*=)[^&;#]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def shown(url: str) -> str:
    """Return *url* fit for a person's eyes: no user name, password, query value, fragment or control character."""
    url = _CONTROL.sub(lambda match: f"%{ord(match[0]):02X}", url.partition("#")[0])
    head, mark, query = _USERINFO.sub(r"\1***@", url).partition("?")
    if not mark:
        return head
    hidden = _VALUES.sub(r"\1***", mark + query)
    return head + (hidden if "=" in hidden else "?***")


class PulpError(Exception):
    """The parent of every error below."""


class SettingsError(PulpError, ValueError):
    """
    A setting cannot be honoured; nothing was asked for yet.

    :ivar field: the setting's name.
    :ivar value: what it was, without secrets.
    :ivar allowed: what it may be.
    """

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(field, value, allowed)
        self.field, self.value, self.allowed = field, value, allowed

    def __str__(self) -> str:
        return f"{self.field} is {self.value!r}, but it must be {self.allowed}"


class StorageError(PulpError):
    """Bytes at rest could not be kept or read."""


class DownloadError(PulpError):
    """
    A download failed, and nothing was kept under its final name.

    :ivar url: the URL that was being fetched, without secrets.
    :ivar detail: what was expected and what came.
    :ivar retryable: whether trying again may help.
    """

    retryable = False
    url: str
    detail: str

    def __init__(self, url: str = "", detail: str = "") -> None:
        url = shown(url)
        super().__init__(url, detail)
        self.url, self.detail = url, detail

    @property
    def reason(self) -> str:
        """What went wrong, in a few words and without the URL."""
        return self.detail or (type(self).__doc__ or "").strip().partition("\n")[0].rstrip(".")

    def __str__(self) -> str:
        return f"{self.reason} ({self.url})" if self.url else self.reason

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"
