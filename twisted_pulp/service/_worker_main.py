"""
The program of a worker process.

Its standard input has what it is to be, a document in the first line, and then what it is told: "wake", "reload",
"stop SECONDS". When that ends, the daemon is no more, and neither is it. Its log goes to standard output, and what it
counts to descriptor 3: a line every two seconds, with nothing in it if need be, so that the daemon knows that it lives.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import attrs
import msgspec
from attrs import define, field, frozen
from twisted.internet.protocol import connectionDone
from twisted.internet.stdio import StandardIO
from twisted.internet.task import LoopingCall
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from twisted_pulp.live._tally import Tally
from twisted_pulp.service._config import Config
from twisted_pulp.service._daemon import DaemonService
from twisted_pulp.service._member import Member
from twisted_pulp.service._program import run_service
from twisted_pulp.service._worker import NEWS
from twisted_pulp.settings import Settings

__all__ = ["Orders", "main"]

#: Seconds between two reports of what was counted, and how many there are within a lease at least.
_EVERY, _BEATS = 2.0, 6
_DAEMONS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


@frozen
class Orders:
    """
    What a worker process is to be.

    :ivar path: of the settings file, or None: the user's own.
    :ivar given: settings that go before the file's.
    :ivar name: of the daemon's data directory, from which its own is made.
    :ivar number: from 1.
    """

    path: str | None
    given: dict[str, Any]
    name: str
    number: int


@frozen(kw_only=True)
class WorkerConfig(Config):
    """The settings of a daemon, as far as they are one worker process's: its part of what is limited in all."""

    def read(self, reactor: Any) -> Settings:
        """Return the settings; see `Config.read`."""
        settings = super().read(reactor)
        limits, count = settings.limits, max(1, settings.workers)
        rate = None if limits.rate is None else limits.rate / count
        limits = attrs.evolve(limits, connections=max(1, limits.connections // count), rate=rate)
        return attrs.evolve(settings, limits=limits, roles=("worker",))


@define(eq=False)
class Post(LineOnlyReceiver):
    """What comes from the daemon, and goes to it."""

    _reactor: Any
    _service: DaemonService
    delimiter = b"\n"
    MAX_LENGTH = 1 << 20
    _tally: Tally | None = field(init=False, default=None)
    _call: LoopingCall | None = field(init=False, default=None)
    _jobs: int = field(init=False, default=0)

    def connectionMade(self) -> None:
        """Report what is counted, from now on: that it begins too, since the daemon watches who has said something."""
        self._call = LoopingCall(self.report)
        self._call.clock = self._reactor
        self._call.start(min(_EVERY, self._service.settings.limits.lease / _BEATS))

    def report(self) -> None:
        """Tell what was counted since the last time."""
        parts = self._service.parts
        if self._tally is None and parts is not None:
            self._tally = Tally(parts.metrics)
        news = {} if self._tally is None else self._tally.news()
        jobs = 0 if parts is None or parts.worker is None else parts.worker.running
        if jobs != self._jobs:
            news["running"] = self._jobs = jobs
        self.sendLine(msgspec.json.encode(news))  # type: ignore[no-untyped-call]

    def lineReceived(self, line: bytes) -> None:
        """Do what the daemon says."""
        word, _, rest = line.decode().partition(" ")
        if word == "wake":
            self._service.wake()
        elif word == "reload":
            self._service.reload()
        elif word == "stop":
            self.end(float(rest))

    def end(self, grace: float) -> None:
        """Come to an end within *grace* seconds; a second time at once."""
        service = self._service
        if service.stopping:
            service.hurry()
        else:
            service.settings = attrs.evolve(service.settings, limits=attrs.evolve(service.settings.limits, grace=grace))
            self._reactor.stop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Be no more, since the daemon is no more."""
        call, self._call = self._call, None
        if call is not None and call.running:
            call.stop()
        if self._reactor.running:
            self.end(0.0)


def _first_line() -> bytes:
    """Read the first line of standard input, and nothing that comes after it."""
    line = bytearray()
    while not line.endswith(b"\n"):
        some = os.read(0, 1)
        if not some:
            break
        line += some
    return bytes(line)


def _serve(reactor: Any, service: DaemonService) -> None:
    """Hear what the daemon says, and tell it what is counted."""
    post = Post(reactor, service)
    reactor.addSystemEventTrigger("during", "shutdown", post.report)
    pipes: Any = StandardIO  # its types are those of Windows
    pipes(post, stdin=0, stdout=NEWS, reactor=reactor)


def main() -> int:
    """Be a worker process until the daemon says that it is over, and return the exit status."""
    for number in _DAEMONS:  # a terminal and systemd tell them all; the daemon says what that means
        signal.signal(number, signal.SIG_IGN)
    line = _first_line()
    if not line:
        return 0
    orders = msgspec.json.decode(line, type=Orders)
    config = WorkerConfig(path=orders.path, given=orders.given)
    member = Member(f"{orders.name}-{orders.number}", orders.number)
    return run_service(config, begin=_serve, always={"worker": orders.number}, handlers=False, member=member)


if __name__ == "__main__":
    sys.exit(main())
