"""Messages that are on their way to a RabbitMQ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from twisted_pulp.errors import BrokerUnavailable

__all__ = ["Confirms"]

#: Messages that are published and not confirmed yet; what is more is found by those who look.
_MOST = 10_000
#: Seconds without any confirm after which a connection is given up.
_PATIENCE = 30.0


@define(eq=False)
class Confirms:
    """
    Counts messages until the server has confirmed them.

    :param name: of the server, for errors.
    :param mute: called when nothing is confirmed for too long.
    :param unroutable: called when the server has no queue for a message.
    :ivar confirmed: messages, so far; *refused*: those that were not.
    :ivar in_flight: those of which nothing is known yet.
    """

    _reactor: Any
    _name: str
    _mute: Callable[[], object]
    _unroutable: Callable[[], object]
    confirmed: int = field(init=False, default=0)
    refused: int = field(init=False, default=0)
    in_flight: int = field(init=False, default=0)
    _seen: int = field(init=False, default=0)
    _call: Any = field(init=False, default=None)

    def send(self, publish: Callable[[], Deferred[Any]] | None) -> Deferred[None]:
        """
        Publish a message, unless too many are on their way, or there is no way (None).

        :raises BrokerUnavailable: so it is.
        """
        if publish is None or self.in_flight >= _MOST:
            self.refused += 1
            raise BrokerUnavailable(f"the broker {self._name} {'confirms nothing' if publish else 'is not connected'}")
        self.in_flight += 1
        if self._call is None:
            self._seen = self.confirmed
            self._call = self._reactor.callLater(_PATIENCE, self._look)
        return publish().addCallbacks(self._confirm, self._refuse)

    def _confirm(self, _: Any) -> None:
        self.in_flight -= 1
        self.confirmed += 1

    def _refuse(self, why: Any) -> None:
        from pika.exceptions import UnroutableError

        self.in_flight -= 1
        self.refused += 1
        if why.check(UnroutableError):
            self._unroutable()
        raise BrokerUnavailable(f"the broker {self._name} has not confirmed a message") from why.value

    def _look(self) -> None:
        self._call = None
        if self.in_flight and self.confirmed == self._seen:
            self._mute()
        elif self.in_flight:
            self._seen = self.confirmed
            self._call = self._reactor.callLater(_PATIENCE, self._look)

    def close(self) -> None:
        """Look no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
