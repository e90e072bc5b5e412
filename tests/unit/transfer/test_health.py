"""How hosts and sources have done of late."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from tests.fakes import refusal
from twisted_pulp.download import Source
from twisted_pulp.errors import ConnectionRefused, DigestMismatch, IdleTimeout, InvalidContent, NotFound, PulpError
from twisted_pulp.settings import Remote
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


# half-open


def test_probe(health: Health, clock: Clock) -> None:
    """After it has cooled down one download tries a source; the others wait for what comes of that."""
    health.failed(A1, NOT_THERE)
    clock.advance(300)
    assert [A1, B] == health.ordered([A1, B])
    assert [B, A1] == health.ordered([A1, B])
    health.succeeded(A1)
    assert [A1, B] == health.ordered([A1, B])


def test_probe_failed(health: Health, clock: Clock) -> None:
    """A probe that fails cools the source down once more."""
    health.failed(A1, NOT_THERE)
    clock.advance(300)
    health.ordered([A1, B])
    health.failed(A1, NOT_THERE)
    clock.advance(299)
    assert [B, A1] == health.ordered([A1, B])


def test_probe_lost(health: Health, clock: Clock) -> None:
    """A probe of which nothing is heard is followed by another."""
    health.failed(A1, NOT_THERE)
    clock.advance(300)
    health.ordered([A1, B])
    clock.advance(60)
    assert [A1, B] == health.ordered([A1, B])


def test_site(health: Health, clock: Clock) -> None:
    """What a host is to blame for cools down everything of a source's own Remote; a missing file does not."""
    mirror = Remote(url="http://m/pub/")
    one, two = Source("http://m/pub/1", 1, mirror), Source("http://m/pub/2", 1, mirror)
    health.failed(one, NOT_THERE)
    assert [two, B] == health.ordered([two, B])
    health.failed(one, DigestMismatch())
    clock.advance(299)
    assert [B, two] == health.ordered([two, B])


# who is fast

EQUAL = [Source("http://a/f"), Source("http://b/f"), Source("http://c/f")]
A, EB, C1 = EQUAL


def test_speed(health: Health) -> None:
    """Equals are ordered by speed; priority goes first."""
    health.measured(A, 1 << 20, 1.0)
    health.measured(EB, 1 << 20, 0.1)
    assert [EB, A] == health.ordered([A, EB])
    assert [A, B] == health.ordered([A, B])


def test_about_as_fast(health: Health) -> None:
    """A difference of less than half changes nothing: it may be chance."""
    health.measured(A, 1 << 20, 1.0)
    health.measured(EB, 1 << 20, 0.8)
    assert [A, EB] == health.ordered([A, EB])


def test_speed_changes(health: Health) -> None:
    """The newest counts most, and the oldest is forgotten."""
    health.measured(A, 1 << 20, 0.1)
    health.measured(EB, 1 << 20, 1.0)
    for _ in range(20):
        health.measured(A, 1 << 20, 10.0)
    assert [EB, A] == health.ordered([A, EB])


def test_small_says_nothing(health: Health) -> None:
    """A small body says nothing about speed, but that its host is well."""
    health.measured(A, 100, 1.0)
    health.measured(EB, 1 << 20, 0.1)
    assert [A, EB] == health.ordered([A, EB])


def test_errors(health: Health, clock: Clock) -> None:
    """A host that often fails goes behind its equals even when it has cooled down."""
    for _ in range(3):
        health.failed(Source("http://a/other"), IdleTimeout())
    clock.advance(30)
    assert [EB, A] == health.ordered([A, EB])
    for _ in range(10):
        health.measured(A, 100, 1.0)
    assert [A, EB] == health.ordered([A, EB])


def test_curious(health: Health) -> None:
    """Now and then one that nothing is known of goes first, so that it gets known."""
    health.measured(A, 1 << 20, 1.0)
    first = [health.ordered([A, C1])[0] for _ in range(32)]
    assert (30, 2) == (first.count(A), first.count(C1))


def test_resting(health: Health, clock: Clock) -> None:
    """It is told for how long a host is left alone: after what it is to blame for, or because it asked for that."""
    assert (0, 0) == (health.resting(A1.url), health.resting(B.url))
    health.failed(A1, ConnectionRefused())
    assert (30, 30, 0) == (health.resting(A1.url), health.resting(A2.url), health.resting(B.url))
    clock.advance(20)
    health.pause(A1, 90)
    assert 90 == health.resting(A2.url)
    clock.advance(91)
    assert 0 == health.resting(A1.url)
