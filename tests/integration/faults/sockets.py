"""The client's established connections, as the kernel counts them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Self

from attrs import define, field
from twisted.internet.task import LoopingCall

from tests.servers.reactor import IReactor

_ESTABLISHED = "01"
_EVERY = 0.02


def established(ports: Collection[int]) -> int:
    """Count the connections to *ports* of 127.0.0.1 that are established, at the side that made them."""
    # By name, since the kernel shows some twice when other processes open and close theirs while it is read.
    found = set()
    with Path("/proc/net/tcp").open(encoding="ascii") as lines:
        next(lines)
        for line in lines:
            _, local, remote, state, *_ = line.split()
            if state == _ESTABLISHED and int(remote.rpartition(":")[2], 16) in ports:
                found.add((local, remote))
    return len(found)


@define(eq=False)
class Counting:
    """Counts again and again, in the reactor; `now` counts at once."""

    _reactor: IReactor
    _ports: Collection[int]
    _count: Callable[[Collection[int]], int] = established
    most: int = field(init=False, default=0)
    looks: int = field(init=False, default=0)
    _call: LoopingCall = field(init=False)

    def __enter__(self) -> Self:
        """Begin to count."""
        self._call = LoopingCall(self.now)
        self._call.clock = self._reactor
        self._call.start(_EVERY)
        return self

    def now(self, *_: object) -> None:
        """Count once."""
        self.looks += 1
        self.most = max(self.most, self._count(self._ports))

    def __exit__(self, *_: object) -> None:
        """Stop counting."""
        self._call.stop()
