"""Files that may change, between clients and an upstream, on a clock."""

from __future__ import annotations

from tests.unit.streamer.upstream import Cache, date, reply


def test_kept() -> None:
    """What came once is given out while it is fresh, without a request."""
    cache = Cache()
    cache.upstream.answer = reply(b"one", Cache_Control="max-age=60", Date=date(0))
    first = cache.get()
    assert (b"one", "twisted_pulp; fwd=uri-miss; fwd-status=200; stored; ttl=60") == (
        cache.body(first),
        first.cache_status,
    )
    cache.clock.advance(59)
    again = cache.get()
    assert (b"one", "twisted_pulp; hit; ttl=1") == (cache.body(again), again.cache_status)
    assert 1 == cache.asked()
