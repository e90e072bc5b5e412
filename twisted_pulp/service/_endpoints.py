"""Where a daemon listens: endpoints as Twisted writes them."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort

from twisted_pulp.errors import PulpError
from twisted_pulp.service._certificates import Certificates
from twisted_pulp.threads import outlasting

__all__ = ["CannotListen", "Ports", "endpoint_of"]

_PORTS = 65535


class CannotListen(PulpError):
    """Nobody can be served at an endpoint: it is taken, or not allowed."""


def endpoint_of(reactor: Any, text: str) -> Any:
    """
    Return the `IStreamServerEndpoint` that *text* stands for; a unix socket without a mode is its owner's alone.

    :raises ValueError: saying why it is none, or what it needs is not there.
    """
    kind, _, rest = text.partition(":")
    options = rest.split(":")[1:]
    if kind == "unix" and not any(each.startswith("mode=") for each in options) and "=" in (*options, "=")[0]:
        text += ":mode=600"
    number = rest.partition(":")[0].removeprefix("port=")
    if kind in ("tcp", "tcp6", "ssl") and number.isdecimal() and int(number) > _PORTS:
        raise ValueError(f"there is no port {number}")
    try:
        return serverFromString(reactor, text)
    except Exception as error:  # each kind of endpoint, plugins too, has its own
        raise ValueError(str(error) or type(error).__name__) from error


@define(eq=False)
class Ports:
    """
    What a daemon listens at.

    :ivar urls: where clients find it, in the order in which it listens.
    """

    _reactor: Any
    urls: list[str] = field(init=False, factory=list)
    _open: list[IListeningPort] = field(init=False, factory=list)
    _certificates: Certificates = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._certificates = Certificates(self._reactor)

    async def listen(self, text: str, factory: Any) -> str:
        """
        Listen at the endpoint *text*, and return the URL there.

        :raises CannotListen: naming the endpoint, and why.
        """
        try:
            port = await outlasting(self._listening(text, factory))
        except CannotListenError as error:
            why = error.socketError
            raise CannotListen(f"cannot listen at {text}: {getattr(why, 'strerror', None) or why}") from error
        except (OSError, ValueError, OverflowError) as error:
            raise CannotListen(f"cannot listen at {text}: {error}") from error
        self._open.append(port)
        self.urls.append(url_of(port, text))
        return self.urls[-1]

    def _listening(self, text: str, factory: Any) -> Any:
        endpoint = endpoint_of(self._reactor, text)
        return self._certificates.listen(text, factory) if text.startswith("ssl:") else endpoint.listen(factory)

    def renew(self) -> None:
        """Read the certificates again; see `Certificates.renew`."""
        self._certificates.renew()

    @property
    def numbers(self) -> list[int]:
        """The numbers of the ports that are listened at."""
        addresses = [port.getHost() for port in self._open]
        return [address.port for address in addresses if hasattr(address, "port")]

    async def close(self) -> None:
        """Let nobody new in; those who are in stay."""
        while self._open:
            await outlasting(maybeDeferred(self._open.pop().stopListening))


def url_of(port: Any, endpoint: str) -> str:
    """Return where clients find what is served on *port*."""
    address = port.getHost()
    if not hasattr(address, "port"):
        return ":".join(endpoint.split(":")[:2])
    scheme = "https" if endpoint.startswith("ssl:") else "http"
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{scheme}://{host}:{address.port}/"
