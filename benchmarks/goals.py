"""What is to be reached, and whether it was."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

#: Bytes that our process may have at once, in every race.
RSS = 100 << 20
#: Seconds that our reactor may be blocked, with one big file.
BLOCKED = 0.050


@frozen
class Target:
    """
    A bound for our time.

    :ivar peers: the best of these counts.
    :ivar factor: of its time that ours may take.
    """

    peers: tuple[str, ...]
    factor: float

    def ratio(self, medians: Mapping[str, float], ours: float) -> float | None:
        """Return what ours took, as a part of what the best of the peers took; None when none of them raced."""
        raced = [medians[peer] for peer in self.peers if peer in medians]
        return ours / min(raced) if raced else None

    def met(self, medians: Mapping[str, float], ours: float) -> bool | None:
        """Return whether ours was fast enough; None when that cannot be said."""
        ratio = self.ratio(medians, ours)
        return None if ratio is None else ratio <= self.factor

    def __str__(self) -> str:
        return f"{self.factor:g} x {self.peers[0] if len(self.peers) == 1 else 'best of ' + ', '.join(self.peers)}"


@frozen
class Goal:
    """
    What is to be reached in one race.

    :ivar target: must be met.
    :ivar aims: may be.
    """

    target: Target
    aims: tuple[Target, ...]


def _goal(peers: tuple[str, ...], at_most: float, aim: float, *aims: Target) -> Goal:
    return Goal(Target(peers, at_most), (Target(peers, aim), *aims))


#: Corpus and scheme -> goal.
GOALS = {
    ("small", "http"): _goal(("aiohttp",), 0.7, 0.6, Target(("pycurl",), 1.8)),
    ("mid", "http"): _goal(("aiohttp", "aiohttp-uvloop", "treq"), 0.9, 0.7),
    ("big", "http"): _goal(("aiohttp", "aiohttp-uvloop", "pycurl", "treq"), 1.0, 0.8),
    ("small", "https"): _goal(("aiohttp",), 0.9, 0.7),
    ("big", "https"): _goal(("aiohttp", "treq"), 1.0, 0.8),
}
