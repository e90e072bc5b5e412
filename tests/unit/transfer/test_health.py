"""How hosts and sources have done of late."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from tests.fakes import refusal
from twisted_pulp.download import Source
from twisted_pulp.errors import ConnectionRefused, DigestMismatch, IdleTimeout, InvalidContent, NotFound, PulpError
from twisted_pulp.transfer import Health

A1, A2, B, C = Source("http://a/1", 1), Source("http://a/2", 2), Source("http://b/f", 3), Source("http://c/f", 4)
NOT_THERE = NotFound("", 404)


@pytest.fixture
def health(clock: Clock) -> Health:
    """A memory without memories."""
    return Health(clock.seconds)


def test_unknown(health: Health) -> None:
    """Sources that nothing is known of keep their order of priority."""
    assert [A1, B, C] == health.ordered([B, C, A1])


def test_cools_down(health: Health, clock: Clock) -> None:
    """A source that failed goes behind the others for 300 s, and is never left out."""
    health.failed(A1, NOT_THERE)
    clock.advance(299.9)
    assert [B, C, A1] == health.ordered([A1, B, C])
    clock.advance(0.2)
    assert [A1, B, C] == health.ordered([A1, B, C])


@pytest.mark.parametrize("error", [ConnectionRefused(), IdleTimeout(), DigestMismatch(), refusal(500), refusal(503)])
def test_host(health: Health, clock: Clock, error: PulpError) -> None:
    """What a host is to blame for sets all of its sources back for 30 s, the one that failed most."""
    health.failed(A1, error)
    assert [B, A2, A1] == health.ordered([A1, A2, B])
    clock.advance(30.1)
    assert [A2, B, A1] == health.ordered([A1, A2, B])


@pytest.mark.parametrize("error", [NOT_THERE, refusal(429), InvalidContent()])
def test_not_the_host(health: Health, error: PulpError) -> None:
    """A host is not to blame for a file that it does not have."""
    health.failed(A1, error)
    assert [A2, B, A1] == health.ordered([A1, A2, B])


def test_recovers(health: Health) -> None:
    """A success puts a source and its host back in their place."""
    health.succeeded(A1)
    health.failed(A1, ConnectionRefused())
    health.succeeded(A1)
    assert [A1, A2, B] == health.ordered([A1, A2, B])


def test_paused(health: Health, clock: Clock) -> None:
    """A host that asked to be left alone is, for as long as it asked for, through all its sources."""
    assert 0.0 == health.paused(A1)
    health.pause(A1, 10.0)
    health.pause(A2, 5.0)
    assert (10.0, 10.0, 0.0) == (health.paused(A1), health.paused(A2), health.paused(B))
    clock.advance(4)
    assert 6.0 == health.paused(A2)
    clock.advance(6)
    assert (0.0, 0.0) == (health.paused(A1), health.paused(A1))


def test_forgets(health: Health) -> None:
    """What is remembered of millions of sources stays small."""
    health.failed(A1, NOT_THERE)
    for number in range(5000):
        health.failed(Source(f"http://h/{number}"), NOT_THERE)
    assert [A1, B] == health.ordered([A1, B])
