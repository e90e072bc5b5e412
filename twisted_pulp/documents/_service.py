"""What the daemon is and does."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

__all__ = ["Health", "Readiness", "Status", "Storage"]


@frozen(kw_only=True)
class Health:
    """
    That the daemon is there.

    :ivar status: `ok`.
    """

    status: str


@frozen(kw_only=True)
class Readiness:
    """
    Whether the daemon takes work.

    :ivar ready: whether it does.
    :ivar state: `starting`, `ready`, `degraded` or `stopping`.
    :ivar degraded: parts that are not well, and why.
    """

    ready: bool
    state: str
    degraded: Mapping[str, str]


@frozen(kw_only=True)
class Status:
    """
    What the daemon is and does.

    :ivar version: of the program.
    :ivar started: when it was, in seconds since the epoch.
    :ivar uptime: seconds since.
    :ivar ready: whether it takes work.
    :ivar state: `starting`, `ready`, `degraded` or `stopping`.
    :ivar degraded: parts that are not well, and why.
    :ivar roles: what it does: `api`, `worker`, `content`.
    :ivar jobs: how many there are in each state.
    :ivar last: id of the last event; what comes later is since then.
    """

    version: str
    started: float
    uptime: float
    ready: bool
    state: str
    degraded: Mapping[str, str]
    roles: tuple[str, ...]
    jobs: Mapping[str, int]
    last: str


@frozen(kw_only=True)
class Storage:
    """
    How much is kept, in files and bytes.

    :ivar artifacts: files that are stored.
    :ivar bytes: that they have.
    :ivar free: bytes that are left on the disk for us; null: nobody knows.
    :ivar size: bytes of the disk; null: nobody knows.
    :ivar reserve: bytes that must be left, or the queue pauses.
    :ivar full: whether fewer are left.
    """

    artifacts: int
    bytes: int
    free: int | None
    size: int | None
    reserve: int
    full: bool
