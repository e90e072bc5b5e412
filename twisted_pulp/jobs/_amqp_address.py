"""Where a RabbitMQ is, and how it is spoken to, as a URL says it."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from attrs import field, frozen
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint

from twisted_pulp.errors import SettingsError, shown

__all__ = ["Address"]

_PORTS = {"amqp": 5672, "amqps": 5671}
_CONNECT = 15.0
#: Seconds of silence after which a connection is taken to be dead; half of it is the beat.
_HEARTBEAT = 20
#: Seconds for which a worker may hold a message: a sync of a large repository takes hours.
_PATIENCE = 12 * 60 * 60
_WORDS = "amqp://USER:PASSWORD@HOST/VHOST, with ca=PATH, heartbeat=SECONDS or consumer_timeout=SECONDS behind a ?"


@frozen(kw_only=True)
class Address:
    """
    A RabbitMQ.

    :ivar ca: path of the authorities in PEM that vouch for it; None: those of the system.
    :ivar heartbeat: seconds of silence after which it is taken to be dead; default 20.
    :ivar patience: seconds for which a message may be held; default 12 h.
    """

    host: str
    port: int
    vhost: str
    user: str
    password: str = field(repr=False)
    secure: bool
    ca: str | None = None
    heartbeat: int = _HEARTBEAT
    patience: int = _PATIENCE

    @classmethod
    def of(cls, url: str) -> Address:
        """
        Read a URL: ``amqp://USER:PASSWORD@HOST[:PORT]/VHOST``, or ``amqps://``.

        :raises SettingsError: it is none.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise SettingsError("broker", shown(url), _WORDS)
        return cls(
            host=parts.hostname,
            port=parts.port or _PORTS[parts.scheme],
            vhost=unquote(parts.path[1:]) or "/",
            user=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
            secure=parts.scheme == "amqps",
            **_options(parts, url),
        )

    @property
    def name(self) -> str:
        """What to call it, without secrets."""
        return f"{self.host}:{self.port}"

    def endpoint(self, reactor: Any) -> IStreamClientEndpoint:
        """
        Return what connects to it.

        :raises SettingsError: the authorities cannot be read.
        """
        plain = HostnameEndpoint(reactor, self.host, self.port, timeout=_CONNECT)
        if not self.secure:
            return plain
        from twisted.internet.ssl import Certificate, optionsForClientTLS, platformTrust, trustRootFromCertificates

        if self.ca is None:
            root = platformTrust()
        else:
            root = trustRootFromCertificates(_certificates(self.ca, Certificate.loadPEM))
        made: IStreamClientEndpoint = wrapClientTLS(optionsForClientTLS(self.host, trustRoot=root), plain)
        return made


def _certificates(path: str, load: Any) -> list[Any]:
    """Return the certificates in the file at *path*, one after another."""
    from OpenSSL.crypto import Error

    end = b"-----END CERTIFICATE-----"
    try:
        with open(path, "rb") as file:
            found = [load(part + end) for part in file.read().split(end)[:-1]]
    except OSError as error:
        raise SettingsError("broker", f"ca={path}", f"a file that can be read: {error.strerror}") from error
    except Error as error:
        raise SettingsError("broker", f"ca={path}", "a file with certificates in PEM") from error
    if not found:
        raise SettingsError("broker", f"ca={path}", "a file with certificates in PEM")
    return found


def _options(parts: SplitResult, url: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name == "ca" and value.startswith("/"):
            found["ca"] = value
        elif name == "heartbeat" and value.isdecimal() and 2 <= int(value) <= 3600:
            found["heartbeat"] = int(value)
        elif name == "consumer_timeout" and value.isdecimal() and 60 <= int(value) <= 30 * 86400:
            found["patience"] = int(value)
        else:
            raise SettingsError("broker", shown(url), _WORDS)
    return found
