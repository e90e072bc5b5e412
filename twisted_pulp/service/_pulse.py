"""How much comes to all processes that share the catalog, as each of them says."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from twisted_pulp.errors import PulpError
from twisted_pulp.live import Running

__all__ = ["Pulse"]

#: Seconds for which the others are waited for; then what they said last counts.
_PATIENCE = 1.0


@define(eq=False)
class Pulse:
    """
    Tells the others how much comes here, while something does; and asks them, where somebody may look at it.

    While nothing comes anywhere that costs a look of each node that may be looked at.

    :param running: the parts of the daemon.
    """

    _log = Logger()

    _running: Running
    _busy: bool = field(init=False, default=False)
    _pulse: Deferred[None] | None = field(init=False, default=None)

    async def __call__(self) -> tuple[int, int]:
        """Return how many bytes a second come in all, and how many downloads are under way."""
        nodes, running = self._running.nodes, self._running
        busy = bool(running.throughput.own or running.metrics.running)
        say, self._busy = busy or self._busy, busy
        hear = "api" in nodes.roles
        if nodes.others and (say or hear) and self._pulse is None:
            self._begin(say, hear)
        await self._for_a_while()
        sums = nodes.sums()
        return int(sums["bytes_per_second"]), int(sums["downloads"])

    def _begin(self, say: bool, hear: bool) -> None:
        pulse = self._running.nodes.pulse(say=say, hear=hear)
        self._pulse = pulse

        def over(_: object) -> None:
            self._pulse = None

        pulse.addErrback(lambda why: why.trap(PulpError, CancelledError) and None)  # its beats say so already
        pulse.addErrback(lambda why: self._log.failure("figures could not be exchanged", why))
        pulse.addBoth(over)

    async def _for_a_while(self) -> None:
        if self._pulse is None:
            return
        waiting: Deferred[None] = Deferred()

        def enough(_: object = None) -> None:
            if not waiting.called:
                waiting.callback(None)

        late = self._running.reactor.callLater(_PATIENCE, enough)
        self._pulse.addBoth(enough)
        try:
            await waiting
        finally:
            if late.active():
                late.cancel()
