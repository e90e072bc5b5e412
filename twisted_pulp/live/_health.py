"""Whether the daemon can be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping

__all__ = ["Health"]


#: Parts without which nothing can be done: a balancer had better ask another daemon.
_NEEDED = frozenset({"catalog"})


class Health:
    """
    Whether the daemon can be used, and what is wrong with it.

    :param tell: called with "health" and what changed, as `Feed.publish`; default: nobody is told.
    """

    def __init__(self, tell: Callable[[str, Mapping[str, object]], object] = lambda event, data: None) -> None:
        self._tell = tell
        self._ready = self._stopping = False
        self._reasons: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<Health {self.state}>"

    @property
    def ready(self) -> bool:
        """Whether it takes work: everything is there, the catalog too, and it is not about to stop."""
        return self._ready and not self._stopping and _NEEDED.isdisjoint(self._reasons)

    @ready.setter
    def ready(self, ready: bool) -> None:
        if ready != self._ready:
            self._ready = ready
            self._changed()

    def stop(self) -> None:
        """Be ready never again: the daemon stops."""
        if not self._stopping:
            self._stopping = True
            self._changed()

    @property
    def degraded(self) -> dict[str, str]:
        """What is wrong: parts, such as "storage", and why."""
        return dict(self._reasons)

    @property
    def state(self) -> str:
        """In one word: "starting", "ready", "degraded" or "stopping"."""
        if self._stopping:
            return "stopping"
        if not self._ready:
            return "starting"
        return "degraded" if self._reasons else "ready"

    def degrade(self, part: str, reason: str) -> None:
        """Note that *part* is not well; *reason* is shown to users and holds no secrets."""
        if self._reasons.get(part) != reason:
            self._reasons[part] = reason
            self._changed()

    def recover(self, part: str) -> None:
        """Note that *part* is well again."""
        if self._reasons.pop(part, None) is not None:
            self._changed()

    def _changed(self) -> None:
        self._tell("health", {"state": self.state, "ready": self.ready, "degraded": self.degraded})
