"""Row 88: what is served changes all the time, and no request fails."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from pytest_twisted import ensureDeferred
from sqlalchemy import Connection
from twisted.internet.defer import Deferred, gatherResults

from tests.integration.content_site import Content, content
from tests.servers.client import Socket
from twisted_pulp.catalog import distributions, repositories, versions

__all__ = ["content"]

_AT_ONCE = 5000


def _add(connection: Connection, made: Content, paths: list[str]) -> None:
    """Make a version that has these files besides those of the last one."""
    row = repositories.get(connection, "r")
    draft = versions.begin(connection, row.id, 1.6e9)
    versions.add(connection, draft, [made._unit(connection, path, path.encode()) for path in paths])
    versions.finish(connection, draft, 1.6e9, None)


def _reload(connection: Connection, turn: int) -> None:
    """Change what is served: other settings, and a distribution that was not there or is not any more."""
    distributions.update(connection, "d", settings={"cache": {"max_age": turn}})
    if turn % 2:
        distributions.create(connection, "other", "other", 1.0, repository_id=repositories.get(connection, "r").id)
    else:
        distributions.delete(connection, "other")


@ensureDeferred
async def test_row_88(content: Content, campaign_count: Callable[[int, int], int], rng: random.Random) -> None:
    """Row 88: while repositories get versions and distributions change, each request for what is there is answered."""
    entries, requests = campaign_count(300, 100_000), campaign_count(600, 50_000)
    paths = [f"{number % 97}/{number}" for number in range(entries)]
    await content.repository({"first": b"first"})
    for start in range(0, entries, _AT_ONCE):
        await content.catalog.write(_add, content, paths[start : start + _AT_ONCE])
    for path in paths:
        await keep_body(content, path)
    await content.distribute("d", "r")
    asked = turns = 0
    wrong: list[tuple[str, bytes]] = []

    async def asking() -> None:
        nonlocal asked
        client = await Socket.to(content.reactor, content.port)
        while asked < requests:
            asked += 1
            path = rng.choice(paths)
            client.get(f"/content/d/{path}")
            body = await client.answer()
            if body != path.encode():
                wrong.append((path, body))
        await client.leave()

    async def changing() -> None:
        nonlocal turns
        while asked < requests:
            turns += 1
            await content.catalog.write(_add, content, [f"new/{turns}"])
            await content.catalog.write(_reload, turns)

    await gatherResults([Deferred.fromCoroutine(each) for each in (changing(), *(asking() for _ in range(8)))])
    assert ([], True) == (wrong, turns > 1)


async def keep_body(made: Content, path: str) -> None:
    """Store what is at *path*."""
    writer: Any = made.storage.writer()
    writer.write(path.encode())
    committed = writer.commit()
    if committed is not None:
        await committed
