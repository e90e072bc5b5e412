"""The certificates that a daemon shows, which may be renewed while it listens."""

from __future__ import annotations

import re
from typing import Any

from attrs import define, field
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IOpenSSLContextFactory
from twisted.logger import Logger
from zope.interface import implementer

__all__ = ["Certificates", "with_chain"]

_VALUE = r"((?:\\.|[^:\\])+)"
_OWN = tuple(re.compile(rf":{name}={_VALUE}").search for name in ("certKey", "privateKey"))


def with_chain(text: str) -> str:
    """
    Return the endpoint *text*, ``ssl:``, which sends everything that the file of its certificate holds.

    Twisted would send the first certificate of it alone, and clients could not tell who has issued that.
    """
    if ":extraCertChain=" in text:
        return text
    found = next((match for each in _OWN if (match := each(text)) is not None), None)
    return text if found is None else f"{text}:extraCertChain={found[1]}"


@implementer(IOpenSSLContextFactory)
@define(eq=False)
class _Shown:
    """
    What connections begin with: the options of now.

    :ivar options: a `CertificateOptions`.
    """

    options: Any

    def getContext(self) -> Any:
        return self.options.getContext()


@define(eq=False)
class _Reading:
    """Stands where an endpoint expects its reactor (`IReactorSSL`), and takes what it has read."""

    found: Any = field(init=False, default=None)

    def listenSSL(self, port: int, factory: Any, contextFactory: Any, **options: Any) -> None:
        self.found = contextFactory
        leaf = _name(contextFactory.certificate)
        contextFactory.extraCertChain = [each for each in contextFactory.extraCertChain if _name(each) != leaf]
        contextFactory.getContext()  # now it is known that they belong together


def _name(certificate: Any) -> bytes:
    return bytes(certificate.digest("sha256"))


def _read(text: str) -> Any:
    """
    Return the `CertificateOptions` of the endpoint *text*. Blocks.

    :raises Exception: of many kinds, when they cannot be used.
    """
    reading = _Reading()
    failed: list[Any] = []
    serverFromString(reading, with_chain(text)).listen(None).addErrback(failed.append)
    if failed:
        failed[0].raiseException()
    return reading.found


@define(eq=False)
class Certificates:
    """
    The certificates of all endpoints of a daemon.

    :param reactor: listens.
    """

    _log = Logger()

    _reactor: Any
    _shown: list[tuple[str, _Shown]] = field(init=False, factory=list)

    def listen(self, text: str, factory: Any) -> Any:
        """Listen at the endpoint *text*, ``ssl:``, and return a Deferred of the port, as `IStreamServerEndpoint`."""
        shown = _Shown(_read(text))
        self._shown.append((text, shown))
        return serverFromString(_Listening(self._reactor, shown), text).listen(factory)

    def renew(self) -> None:
        """Read all again: who connects from now on gets the new ones. Those that cannot be used are said, and left."""
        for text, shown in self._shown:
            try:
                new = _read(text)
            except Exception as error:  # a file is missing, is no PEM, belongs to another key, ...
                words = str(error) or type(error).__name__
                self._log.error("{endpoint}: the old certificate stays: {reason}", endpoint=text, reason=words)
                continue
            changed = _name(new.certificate) != _name(shown.options.certificate)
            shown.options = new
            if changed:
                self._log.info("{endpoint}: the certificate is a new one", endpoint=text)


@define(eq=False)
class _Listening:
    """Listens with certificates that may change."""

    _reactor: Any
    _shown: _Shown

    def listenSSL(self, port: int, factory: Any, contextFactory: Any, **options: Any) -> IListeningPort:
        made: IListeningPort = self._reactor.listenSSL(port, factory, self._shown, **options)
        return made
