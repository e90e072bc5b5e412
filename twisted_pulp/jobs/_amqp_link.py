"""A connection to a RabbitMQ that is made again whenever it is lost."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as Late
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.logger import Logger

from twisted_pulp.jobs._amqp_address import Address
from twisted_pulp.jobs._outcome import delay
from twisted_pulp.settings import Retry
from twisted_pulp.threads import followed

__all__ = ["Link"]

#: Between two tries: full jitter, so that a server that comes back is not met by all at once.
_BACKOFF = Retry(base=1.0, factor=2.0, cap=30.0)
#: Seconds for the greetings.
_GREETING = 30.0


class _Quiet(Factory):
    """Gives out one protocol, and says nothing of it in the log."""

    noisy = False

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: Any) -> Any:
        """Return it."""
        return self._protocol


@define(eq=False)
class Link:
    """
    Keeps a connection.

    :param opened: called with a connection that is ready, as pika has it; when what it returns fires, it is in use.
    :param patience: seconds that *opened* may take.
    :param lost: called when a connection that was in use is lost, and when one could not be made, with the reason.
    """

    _log = Logger()

    _reactor: Any
    _address: Address
    _opened: Callable[[Any], Awaitable[None]]
    _lost: Callable[[str], object]
    _patience: float = field(kw_only=True)
    _uniform: Callable[[float, float], float] = field(kw_only=True, default=random.uniform)
    _keeping: Deferred[None] | None = field(init=False, default=None)
    _first: Deferred[None] = field(init=False, factory=Deferred)
    _protocol: Any = field(init=False, default=None)
    _why: Any = field(init=False, default=None)
    _given_up: str | None = field(init=False, default=None)
    _stopped: bool = field(init=False, default=False)

    def start(self) -> Deferred[None]:
        """Begin; the Deferred fires after the first try, whatever came of it."""
        self._keeping = Deferred.fromCoroutine(self._keep())
        self._keeping.addErrback(lambda why: why.trap(CancelledError) and None)
        self._keeping.addErrback(lambda why: self._log.failure("the broker is not kept", failure=why))
        return self._first

    async def _keep(self) -> None:
        failures = 0
        while True:
            try:
                ended = await self._connected()
                failures = 0
                self._tried()
                reason = str(await ended)
                reason = self._given_up or reason
            except CancelledError:
                raise
            except Exception as error:
                failures += 1
                reason = _words(self._reason(error))
            finally:
                self._abort()
            if self._stopped:
                return
            self._lost(f"{self._address.name}: {reason}")
            self._tried()
            await deferLater(self._reactor, delay(_BACKOFF, max(1, failures), self._uniform))

    async def _connected(self) -> Deferred[Any]:
        """Return what fires when the connection that was made is lost."""
        from pika import ConnectionParameters, PlainCredentials
        from pika.adapters.twisted_connection import TwistedProtocolConnection

        address = self._address
        parameters = ConnectionParameters(
            virtual_host=address.vhost,
            credentials=PlainCredentials(address.user, address.password),
            heartbeat=address.heartbeat,
            client_properties={"product": "pulpdownloader"},
        )
        self._protocol = TwistedProtocolConnection(parameters, self._reactor)
        self._why = self._given_up = None
        self._listen(self._protocol)
        ready = self._protocol.ready
        ready.addErrback(lambda why: why)
        try:
            await address.endpoint(self._reactor).connect(_Quiet(self._protocol))
        except BaseException:
            self._protocol = None
            raise
        await ready.addTimeout(_GREETING, self._reactor)
        ended: Deferred[Any] = self._protocol.closed
        opening = Deferred.fromCoroutine(self._open())
        await opening.addTimeout(self._patience, self._reactor)
        return ended

    def _reason(self, error: Exception) -> Any:
        """Return what is behind *error*: pika keeps nothing of it."""
        if self._why is None:
            return error
        if isinstance(self._why, ConnectionDone | ConnectionLost):
            return ConnectionLost("it hung up: user, password or virtual host may be wrong")
        return self._why

    def _listen(self, protocol: Any) -> None:
        """Hear why a connection is lost, of which pika keeps only that it is."""
        lost = protocol.connectionLost

        def heard(why: Any) -> None:
            self._why = why.value
            lost(why)

        protocol.connectionLost = heard

    async def _open(self) -> None:
        await self._opened(self._protocol)

    def _tried(self) -> None:
        if not self._first.called:
            self._first.callback(None)

    def drop(self, reason: str | None = None) -> None:
        """
        Give the connection up; another is made.

        :param reason: why; default None: what it says itself when it is lost.
        """
        self._given_up = self._given_up or reason
        self._abort()

    def _abort(self) -> None:
        protocol, self._protocol = self._protocol, None
        transport = getattr(protocol, "transport", None)
        if transport is not None:
            transport.abortConnection()

    async def stop(self) -> None:
        """End: the connection is closed as it should be, if there is one."""
        self._stopped = True
        protocol = self._protocol
        if protocol is not None and protocol.closed is not None and protocol.is_open:
            closed = followed(protocol.closed)
            protocol.close()
            await closed.addTimeout(_GREETING, self._reactor).addErrback(lambda why: None)
        if self._keeping is not None:
            self._keeping.cancel()
        self._abort()


def _words(error: BaseException) -> str:
    """Return what an error says; those of TLS and of pika say it in their arguments only."""
    if isinstance(error, ConnectError | ConnectionDone | ConnectionLost | Late):
        return str(error)
    return repr(error)
