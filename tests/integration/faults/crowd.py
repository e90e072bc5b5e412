"""What tests run in a process of its own to measure its memory: very many downloads, from an agent without a net."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater, react
from twisted.python.failure import Failure
from twisted.web._newclient import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from tests.integration.faults.memory import peak
from twisted_pulp import Context, Download, DownloadReport
from twisted_pulp.transfer import DigestOnly

_BODY = b"x" * 100
_DONE = Failure(ResponseDone())  # type: ignore[no-untyped-call]
_WRITER = DigestOnly()


class _Transport:
    def pauseProducing(self) -> None:
        """Too late."""

    resumeProducing = stopProducing = pauseProducing


@implementer(IResponse)
class _Response:
    version, code, phrase = (b"HTTP", 1, 1), 200, b"OK"
    headers, length, request, previousResponse = Headers(), len(_BODY), None, None
    pairs: tuple[tuple[bytes, bytes], ...] = ()

    def setPreviousResponse(self, response: object) -> None:
        """There is none."""

    def deliverBody(self, protocol: Any) -> None:
        protocol.makeConnection(_Transport())
        protocol.dataReceived(_BODY)
        protocol.connectionLost(_DONE)


@implementer(IAgent)
class _Agent:
    def __init__(self, reactor: Any) -> None:
        self._reactor, self._asked = reactor, 0

    def request(self, *_: object) -> Deferred[Any]:
        self._asked += 1
        if self._asked % 100:
            return succeed(_Response())
        return deferLater(self._reactor, 0, _Response)  # some take a turn


async def measured(reactor: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Download *count* items of a generator, by *way*, *concurrency* at once, and tell what memory that took."""
    ahead = taken = pulled = 0

    def items() -> Iterator[Download]:
        nonlocal pulled, ahead
        for number in range(given["count"]):
            pulled += 1
            ahead = max(ahead, pulled - taken)
            yield Download(f"http://a.test/{number}", writer=_WRITER)

    def take(report: DownloadReport) -> Deferred[None] | None:
        nonlocal taken
        taken += 1
        assert report.error is None
        return None if taken % 1000 else deferLater(reactor, 0.001, lambda: None)

    context = Context(reactor)
    downloader: Any = context.downloader()
    downloader.agent = _Agent(reactor)
    async for _ in downloader.download_all(Download("http://a.test/", writer=_WRITER) for _ in range(1000)):
        pass  # what is made once does not count
    before = peak()
    if given["way"] == "each":
        await downloader.download_each(items(), take, given["concurrency"])
    else:
        async for report in downloader.download_all(items(), given["concurrency"]):
            waited = take(report)
            if waited is not None:
                await waited
    await context.close()
    return {"ahead": ahead, "taken": taken, "grown": peak() - before, "peak": peak()}


def main() -> None:
    """Take the settings from the first argument."""

    async def run(reactor: Any) -> None:
        sys.stdout.write(json.dumps(await measured(reactor, json.loads(sys.argv[1]))))

    react(lambda reactor: Deferred.fromCoroutine(run(reactor)))


if __name__ == "__main__":
    main()
