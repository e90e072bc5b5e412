"""A host that bears only so many requests at once is asked no more, after it has said so."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_twisted import ensureDeferred

from tests.servers.scripted import Request, Scripted, Send, Step, Steps, ok, status
from twisted_pulp.context import Context
from twisted_pulp.download import Download
from twisted_pulp.settings import Limits, Remote, Retry
from twisted_pulp.transfer import DigestOnly

FILES, BEARS = 200, 3


class Weak:
    """
    Answers that need a while, and refusals where too many are asked for at once.

    :ivar refused: how many.
    :ivar most: requests that were ever under way at once.
    """

    def __init__(self, code: int) -> None:
        self._code, self._active, self.refused, self.most = code, 0, 0, 0

    def __call__(self, request: Request) -> Steps:
        if self._active >= BEARS:
            self.refused += 1
            return status(self._code)
        self._active += 1
        self.most = max(self.most, self._active)
        return (_Answer(self),)

    def done(self) -> None:
        """One less is under way."""
        self._active -= 1


class _Answer(Step):
    def __init__(self, weak: Weak) -> None:
        self._weak = weak

    async def perform(self, wire: Any) -> None:
        try:
            await wire.wait(0.01)
        finally:
            self._weak.done()
        for step in ok(b"here"):
            assert isinstance(step, Send)
            await step.perform(wire)


async def fetched(context: Context, scripted: Scripted, code: int, adaptive: bool) -> int:
    """Fetch all files; return how many requests were refused."""
    scripted.default = weak = Weak(code)
    remote = Remote(limits=Limits(adaptive=adaptive), retry=Retry(retries=100, base=0.05, cap=0.05))
    downloads = [Download(scripted.url(f"/{number}"), writer=DigestOnly()) for number in range(FILES)]
    totals = await context.downloader(remote).download_each(downloads, lambda report: None)
    assert (FILES, 0) == (totals.succeeded, totals.failed)
    assert BEARS == weak.most
    return weak.refused


@pytest.mark.parametrize("code", [429, 503])
@ensureDeferred
async def test_adapts(context: Context, scripted: Scripted, code: int) -> None:
    """200 files come from a server that bears 3 requests at once, with few refusals; without adapting they are many."""
    blind = await fetched(context, scripted, code, adaptive=False)
    assert {} == context.pool.paces.lowered
    wise = await fetched(context, scripted, code, adaptive=True)
    assert 30 >= wise
    assert wise * 5 <= blind
    (pace,) = context.pool.paces.lowered.values()
    assert 1 <= pace.allowed <= BEARS + 1
