"""Which engines keep what a daemon has: a database, a broker, a storage; each a URL."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import SplitResult, urlsplit

from attrs import Attribute, field

from twisted_pulp.errors import SettingsError, shown

__all__ = ["broker", "database", "place", "storage"]

_DATABASES = ("sqlite:////", "postgresql://")
_BROKERS = ("amqp", "amqps")
_STORAGES = ("s3", "gs", "az")


def _visible(value: object) -> str:
    return repr(shown(value) if isinstance(value, str) else value)


def _hidden(value: object) -> str:
    return shown(value) if isinstance(value, str) else type(value).__name__


def _parts(value: object) -> SplitResult | None:
    """Return the parts of a URL with a host, and a port that is one; None: it is not such a URL."""
    if not isinstance(value, str) or not value.isprintable() or " " in value:
        return None
    try:
        parts = urlsplit(value)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def _absolute(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and os.path.isabs(value)


def database() -> Any:
    """Return a field of the URL of a database, or None."""

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if value is not None and not (isinstance(value, str) and value.startswith(_DATABASES)):
            words = "sqlite:////PATH or postgresql://USER:PASSWORD@HOST/NAME"
            raise SettingsError(attribute.name, _hidden(value), words)

    return field(default=None, validator=check, repr=_visible)


def broker() -> Any:
    """Return a field of the URL of a broker, "local", or None."""

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if value in (None, "local"):
            return
        parts = _parts(value)
        if parts is None or parts.scheme not in _BROKERS or parts.fragment or "/" in parts.path[1:]:
            words = "local, or amqp://USER:PASSWORD@HOST/VHOST, or the same with amqps (a / in VHOST is %2F)"
            raise SettingsError(attribute.name, _hidden(value), words)

    return field(default=None, validator=check, repr=_visible)


def storage() -> Any:
    """Return a field of an absolute path, of the URL of a bucket, or None."""

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if value is None or _absolute(value):
            return
        parts = _parts(value)
        if parts is None or parts.scheme not in _STORAGES or parts.fragment:
            words = "an absolute path, or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"
            raise SettingsError(attribute.name, _hidden(value), words)

    return field(default=None, validator=check, repr=_visible)


def place() -> Any:
    """Return a field of an absolute path, or None."""

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if value is not None and not _absolute(value):
            raise SettingsError(attribute.name, value, "an absolute path")

    return field(default=None, validator=check)
