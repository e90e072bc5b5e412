"""How quick jobs are: handing in, and looking at very many. The limits leave room for slow and busy machines."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.integration.job_fixtures import Shop, shop, site
from twisted_pulp.catalog import jobs
from twisted_pulp.jobs import ItemSpec

__all__ = ["shop", "site"]

pytestmark = pytest.mark.usefixtures("reactor")

MANY = """
INSERT INTO item (job_id, number, url, path, state, attempts, bytes, finished)
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :count)
SELECT CAST(:job AS integer), n, 'http://site/pool/' || n, 'pool/' || n,
    CASE WHEN n % 1000 = 0 THEN 'failed' ELSE 'completed' END, 1, 1000, 1.0 FROM numbers
"""


async def test_submitted(shop: Shop) -> None:
    """A thousand items a second, and many more, are handed in in batches; each is on the disk when it is answered."""
    digests = {"sha256": "0" * 64}
    specs = [ItemSpec(f"http://site/pool/{number}", f"pool/{number}", 1000, digests) for number in range(1000)]
    began = time.monotonic()
    for _ in range(10):
        await shop.jobs.submit("hand", {}, specs)
    assert 10_000 / (time.monotonic() - began) > 1000


async def test_pages(shop: Shop, campaign_count: Callable[[int, int], int]) -> None:
    """Pages of very many finished items come within 50 ms, wherever they begin."""
    count = campaign_count(100_000, 1_000_000)
    uid = (await shop.jobs.submit("hand", {})).job.uid

    def fill(connection: Connection) -> None:
        connection.execute(text(MANY), {"job": jobs.get(connection, uid).id, "count": count})
        connection.execute(text("ANALYZE item"))  # as a server does by itself when so much has changed

    await shop.catalog.write(fill)
    pages: tuple[dict[str, Any], ...] = (
        {},
        {"after": count // 2},
        {"after": count // 2, "state": "failed", "limit": 20},
        {"after": count - 200, "state": "completed"},
    )
    for page in pages:
        seconds = []
        for _ in range(10):
            began = time.monotonic()
            found = await shop.jobs.items(uid, **page)
            seconds.append(time.monotonic() - began)
        assert page.get("limit", 100) == len(found.items)
        assert min(seconds) < 0.05, seconds
