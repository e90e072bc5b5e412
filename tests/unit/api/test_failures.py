"""Failures by address, on a clock."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from twisted_pulp.api._failures import _ADDRESSES, Failures


def test_window() -> None:
    """An address waits when it had as many failures in a minute as are allowed, until the first is a minute old."""
    clock = Clock()
    failures = Failures(clock.seconds, 3)
    for wait in (0, 0, 0):
        assert wait == failures.wait("10.0.0.1")
        failures.add("10.0.0.1")
        clock.advance(10)
    assert 30 == failures.wait("10.0.0.1")
    assert 0 == failures.wait("10.0.0.2")
    clock.advance(29.5)
    assert 1 == failures.wait("10.0.0.1")
    clock.advance(0.5)
    assert 0 == failures.wait("10.0.0.1")
    failures.add("10.0.0.1")
    assert 10 == failures.wait("10.0.0.1")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("", "", True),
    ],
)
def test_networks(one: str, other: str, same: bool) -> None:
    """Somebody has a network of 64 bits of IPv6, and one address of IPv4, however that is written."""
    failures = Failures(Clock().seconds, 1)
    failures.add(one)
    assert same == (failures.wait(other) > 0)


def test_bound() -> None:
    """A bounded number of addresses is remembered: those that failed last."""
    clock = Clock()
    failures = Failures(clock.seconds, 1)
    for number in range(_ADDRESSES + 5):
        failures.add(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert 0 == failures.wait("10.0.0.4")
    assert 60 == failures.wait("10.0.0.5")
