"""What a transfer needs of the world around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from twisted.web.iweb import IAgent

from twisted_pulp.http import Watch
from twisted_pulp.settings import Remote
from twisted_pulp.threads import WriterThreads
from twisted_pulp.transfer._health import Health
from twisted_pulp.transfer._traffic import Traffic

if TYPE_CHECKING:
    from twisted_pulp.transfer._mirrors import Mirrors

__all__ = ["Surroundings"]


class Surroundings(Protocol):
    """
    What all downloads share.

    :ivar reactor: for time.
    :ivar now: seconds since the epoch, as `time.time`.
    :ivar uniform: as `random.uniform`, for jitter.
    :ivar watch: over what may be silent for too long.
    :ivar threads: that hash and write.
    :ivar health: of hosts and sources.
    :ivar traffic: knows the transfers that are under way.
    """

    reactor: Any
    now: Callable[[], float]
    uniform: Callable[[float, float], float]
    watch: Watch
    threads: WriterThreads
    health: Health
    traffic: Traffic

    def agent(self, remote: Remote) -> IAgent:
        """Return the agent that reaches *remote*, with every concern on it."""

    @property
    def mirrors(self) -> Mirrors:
        """The mirrors of Remotes."""
