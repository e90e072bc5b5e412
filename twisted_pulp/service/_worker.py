"""A process that runs jobs for a daemon."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

__all__ = ["WorkerProcess"]

#: Seconds from a death to the next start: at first, and at most; who has lived so long begins at first again.
_FIRST, _LONGEST = 0.5, 30.0
#: How many times within a lease it is looked whether it has said anything.
_LOOKS = 3
#: The descriptor by which it tells what it counts.
NEWS = 3
_PROGRAM = ("-m", "twisted_pulp.service._worker_main")
#: What systemd tells the daemon is not for it.
_OWN = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"})


@define(eq=False)
class WorkerProcess(ProcessProtocol):
    """
    One worker process: started, told what to do, and started again when it dies.

    One that says nothing for a lease stands still, with its locks on files, and is killed. It ends with the daemon,
    however that ends, since its standard input does.

    :param number: from 1.
    :param orders: what it is to be, as plain data: its first line.
    :param write: called with each line of its log.
    :param counted: called with what it has counted.
    :param lease: seconds.
    :ivar jobs: that it ran when it said so last.
    """

    _log = Logger()

    _reactor: Any
    number: int
    _orders: Mapping[str, Any]
    _write: Callable[[str], object]
    _counted: Callable[[Mapping[str, Any]], object]
    _lease: float
    jobs: int = field(init=False, default=0)
    transport: Any = field(init=False, default=None)
    _ended: Deferred[None] | None = field(init=False, default=None)
    _stopping: bool = field(init=False, default=False)
    _parts: dict[int, bytes] = field(init=False, factory=dict)
    _began: float = field(init=False, default=0.0)
    _pause: float = field(init=False, default=_FIRST)
    _again: Any = field(init=False, default=None)
    _watch: LoopingCall | None = field(init=False, default=None)
    _silent: int = field(init=False, default=0)

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self._ended is not None

    def start(self) -> None:
        """Start it."""
        self._again, self._began, self._ended, self._parts = None, self._reactor.seconds(), Deferred(), {}
        environment = {name: value for name, value in os.environ.items() if name not in _OWN}
        arguments = [sys.executable, *_PROGRAM]
        pipes = {0: "w", 1: "r", 2: "r", NEWS: "r"}
        self._reactor.spawnProcess(self, arguments[0], arguments, environment, childFDs=pipes)
        self._send(msgspec.json.encode(self._orders).decode())

    def tell(self, words: str) -> None:
        """Tell it something, if it lives."""
        if self.alive and self.transport is not None:
            self._send(words)

    def _send(self, line: str) -> None:
        self.transport.write(f"{line}\n".encode())

    def stop(self, grace: float) -> Deferred[None]:
        """
        Let it end: what it does may be finished within *grace* seconds; it is not started again.

        :returns: a Deferred that fires when it has ended.
        """
        self._stopping = True
        over: Deferred[None] = Deferred()
        if self._again is not None and self._again.active():
            self._again.cancel()
        if self._ended is None:
            over.callback(None)
            return over
        self.tell(f"stop {grace:g}")
        self._ended.addCallback(over.callback)
        return over

    def kill(self) -> None:
        """End it at once."""
        if self.alive:
            try:
                self.transport.signalProcess("KILL")
            except ProcessExitedAlready:
                pass

    # What it says

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Pass on whole lines."""
        *lines, rest = (self._parts.get(childFD, b"") + data).split(b"\n")
        self._parts[childFD] = rest
        for line in lines:
            self._said(childFD, line)

    def _said(self, descriptor: int, line: bytes) -> None:
        if descriptor == NEWS:
            self._lives()
            news = msgspec.json.decode(line)
            self.jobs = news.pop("running", self.jobs)
            self._counted(news)
        else:
            self._write(line.decode("utf-8", "replace"))

    def _lives(self) -> None:
        self._silent = 0
        if self._watch is None:  # from its first word on: nobody knows how long it takes to begin
            self._watch = LoopingCall(self._look)
            self._watch.clock = self._reactor
            self._watch.start(self._lease / _LOOKS, now=False)

    def _look(self) -> None:
        # Looks are counted, not seconds: when we have stood still ourselves it has had no time to say anything.
        self._silent += 1
        if self._silent > _LOOKS:
            self._log.warn("worker {number} says nothing any more, and was killed", number=self.number)
            self._silent = 0
            self.kill()

    def processEnded(self, reason: Failure) -> None:
        """Start it again after a while, unless it was to end."""
        ended, self._ended, self.jobs = self._ended, None, 0
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.stop()
        if not self._stopping:
            self._log.warn("worker {number} has ended: {reason}", number=self.number, reason=reason.getErrorMessage())
            lived = self._reactor.seconds() - self._began
            self._pause = _FIRST if lived >= _LONGEST else min(self._pause * 2, _LONGEST)
            self._again = self._reactor.callLater(self._pause, self.start)
        if ended is not None:
            ended.callback(None)
