"""What tests run with a wall clock that jumps: timers and a download, timed by the monotonic clock."""

from __future__ import annotations

import json
import select
import sys
import threading
import time
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, react

from twisted_pulp import Context, Download, Remote, Retry, Timeouts
from twisted_pulp.clock import use_monotonic_clock
from twisted_pulp.errors import PulpError
from twisted_pulp.transfer import DigestOnly

TICK, AFTER, ALL = 0.05, 1.0, 2.0


async def jumped(reactor: Any, given: dict[str, Any]) -> dict[str, Any]:
    """
    Let the wall clock jump *by* (as faketime writes it) after 0.4 s.

    :returns: the ticks of 2 s, when a timer of 1 s fired, whether one of a minute did, and what became of a download.
    """
    ticks: list[float] = []
    fired: dict[str, float] = {}
    started, over = time.monotonic(), Deferred[None]()

    def real_time() -> None:
        select.select([], [], [], 0.4)  # libfaketime breaks time.sleep
        Path(given["file"]).write_text(given["by"])
        select.select([], [], [], ALL - 0.4)
        reactor.callFromThread(over.callback, None)

    ticking = LoopingCall(lambda: ticks.append(time.monotonic()))
    ticking.clock = reactor
    ticking.start(TICK)
    second = reactor.callLater(AFTER, lambda: fired.setdefault("second", time.monotonic() - started))
    minute = reactor.callLater(60, lambda: fired.setdefault("minute", time.monotonic() - started))
    context = Context(reactor)
    remote = Remote(retry=Retry(retries=0), timeouts=Timeouts(headers=10, idle=10, total=60, low_speed=1))
    d = context.downloader(remote).download(Download(given["url"], writer=DigestOnly(), size=given["size"]))
    outcome: list[Any] = []
    d.addBoth(outcome.append)
    threading.Thread(target=real_time, daemon=True).start()
    await over
    ticking.stop()
    for call in (second, minute):
        if call.active():
            call.cancel()
    error = None if not outcome else getattr(outcome[0], "value", None)
    done = bool(outcome) and error is None
    await context.close()
    assert error is None or isinstance(error, PulpError)
    return {"ticks": len(ticks), "fired": fired, "done": done, "error": error and type(error).__name__}


def main() -> None:
    """Take the settings from the first argument."""
    given = json.loads(sys.argv[1])

    async def run(reactor: Any) -> None:
        sys.stdout.write(json.dumps(await jumped(reactor, given)))

    from twisted.internet import reactor

    if given["monotonic"]:
        use_monotonic_clock(reactor)
    react(lambda each: Deferred.fromCoroutine(run(each)))


if __name__ == "__main__":
    main()
