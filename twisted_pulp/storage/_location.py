"""Where in an object store: a URL, its options, and the client of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from attrs import field, frozen

from twisted_pulp.errors import SettingsError, shown

__all__ = ["SCHEMES", "Location", "is_location"]

#: What a URL of an object store begins with, and the class of obstore that speaks it.
SCHEMES = MappingProxyType({"s3": "S3Store", "gs": "GCSStore", "az": "AzureStore"})
_ALLOWED = "s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX, with options as ?NAME=VALUE&..."
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}[A-Za-z0-9]").fullmatch
_PREFIX = re.compile(r"(?:[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*)?").fullmatch
_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")
# Options that are the client's, not the store's.
_CLIENT = frozenset({"allow_http", "allow_invalid_certificates", "proxy_url", "root_certificate", "user_agent"})
_FLAGS = frozenset({"allow_http", "allow_invalid_certificates"})
# Seconds: to a connection, of silence, and of a whole request that is not a stream.
_CONNECT, _SILENCE, _WHOLE, _STREAM = 15, 60, 120, 86400
# One more try at once, for connections that the server closed just then; what takes longer is ours to wait for.
_AGAIN = 1


def is_location(storage: str) -> bool:
    """Return whether *storage* is the URL of an object store, and no path."""
    return storage.partition("://")[0] in SCHEMES and "://" in storage


@frozen(kw_only=True)
class Location:
    """
    A bucket, and how it is reached.

    :ivar scheme: one of `SCHEMES`.
    :ivar bucket: its name.
    :ivar prefix: of all keys, without slashes at its ends; may be empty.
    :ivar options: of the store, as obstore names them; what is missing comes from the environment.
    :ivar client: of the HTTP client, as obstore names them.
    :ivar connections: requests at once.
    :ivar redirect: whether clients are sent to the store for bodies.
    :ivar expires: seconds for which they may follow.
    :ivar patience: seconds for which is waited when the store is out of reach.
    """

    scheme: str
    bucket: str
    prefix: str = ""
    options: Mapping[str, str] = field(factory=dict, repr=lambda options: repr(sorted(options)))
    client: Mapping[str, Any] = field(factory=dict, repr=lambda options: repr(sorted(options)))
    connections: int = 16
    redirect: bool = False
    expires: int = 300
    patience: int = 300

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.prefix}".rstrip("/")

    @classmethod
    def parsed(cls, url: str) -> Location:
        """
        Read *url*.

        :raises SettingsError: when it is none, or an option cannot be honoured.
        """
        found = urlsplit(url)
        prefix = found.path.strip("/")
        known = found.scheme in SCHEMES and _BUCKET(found.netloc) and not found.fragment
        if not known or not _PREFIX(prefix) or ".." in prefix.split("/") or "." in prefix.split("/"):
            raise SettingsError("storage", shown(url), _ALLOWED)
        own: dict[str, Any] = {}
        options: dict[str, str] = {}
        client: dict[str, Any] = {}
        for name, value in parse_qsl(found.query, keep_blank_values=True):
            if name in ("connections", "expires", "patience"):
                own[name] = _number(name, value)
            elif name == "redirect":
                own[name] = _flag(name, value)
            elif name in _CLIENT:
                client[name] = _flag(name, value) if name in _FLAGS else value
            else:
                options[name] = value
        return cls(scheme=found.scheme, bucket=found.netloc, prefix=prefix, options=options, client=client, **own)

    def store(self, *, streams: bool = False) -> Any:
        """
        Make the client of it.

        :param streams: whether for bodies that take as long as they take: then silence alone ends them.
        :raises SettingsError: when obstore is not installed, or an option is unknown.
        """
        try:
            from obstore import exceptions, store
        except ImportError:
            raise SettingsError(
                "storage", str(self), "a directory, while obstore is missing: pip install twisted_pulp[objects]"
            ) from None
        client = {"connect_timeout": f"{_CONNECT}s", "read_timeout": f"{_SILENCE}s", **self.client}
        client["timeout"] = f"{_STREAM if streams else _WHOLE}s"
        retries = {"max_retries": _AGAIN, "retry_timeout": timedelta(seconds=_WHOLE)}
        options: dict[str, Any] = dict(self.options)
        if self.scheme == "s3":
            options.setdefault("checksum_algorithm", "SHA256")
        made = getattr(store, SCHEMES[self.scheme])
        try:
            return made(
                self.bucket, prefix=self.prefix or None, config=options, client_options=client, retry_config=retries
            )
        except (exceptions.BaseError, ValueError, TypeError) as error:
            raise SettingsError("storage", str(self), f"one with other options: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Return the first line of what *error* says, which may name options and never has their values."""
    words = str(error).partition("\n")[0]
    return re.sub(r"['\"`=].*", "...", words)[:120]


def _number(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 86400:
        raise SettingsError(f"storage?{name}", value[:20], "a whole number from 1 to 86400")
    return int(value)


def _flag(name: str, value: str) -> bool:
    if value not in _YES + _NO:
        raise SettingsError(f"storage?{name}", value[:20], "true or false")
    return value in _YES
