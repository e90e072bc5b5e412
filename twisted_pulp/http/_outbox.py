"""
Requests that are sent together.

While the reactor goes through the sockets that have something to say, most answers lead to the next request. Sent one
by one, each would wake a server that has gone to sleep again since the last; sent together they wake it once
(docs/performance.md).
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

__all__ = ["Outbox"]


class _Sender(Protocol):
    def send(self, data: bytes) -> None: ...

    def give_up(self) -> None: ...


class Outbox:
    """
    Keep requests until the reactor has heard all there is to hear in its present turn.

    :param reactor: whose turns count.
    """

    _log = Logger()

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._waiting: list[tuple[_Sender, bytes]] = []

    def post(self, sender: _Sender, data: bytes) -> None:
        """Have *sender* send *data* at the end of this turn."""
        if not self._waiting:
            self._reactor.callLater(0, self._send)
        self._waiting.append((sender, data))

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for sender, data in waiting:
            try:
                sender.send(data)
            except Exception:
                self._log.failure("a request could not be sent")
                sender.give_up()
