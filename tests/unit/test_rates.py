"""Rates of everything, of Remotes and of hosts: what limits what, and who shares it."""

from __future__ import annotations

import gc
import math
from typing import Any

import attrs
import pytest
from twisted.internet.task import Clock

from twisted_pulp.errors import SettingsError
from twisted_pulp.http import HostRates, Rate, Rates
from twisted_pulp.http._rates import host_of
from twisted_pulp.settings import Limits, Remote

NAMES = ["requests_per_second", "bytes_per_second"]
BOTH = [*NAMES, "host_requests_per_second", "host_bytes_per_second"]


@pytest.fixture
def rates(clock: Clock) -> Rates:
    """All rates of a context."""
    return Rates(clock)


def found(rates: Rates, kind: str, remote: HostRates, host: str = "h") -> list[float | None]:
    """Return the rates that count, the narrowest first."""
    return [bucket.rate for bucket in rates.buckets(kind, remote, host)]


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("value", [0, -1, "5", True, math.nan, ()])
def test_wrong(rates: Rates, name: str, value: Any) -> None:
    """A rate is a number above 0, or None."""
    with pytest.raises(SettingsError, match=name):
        setattr(rates, name, value)
    assert getattr(rates, name) is None


@pytest.mark.parametrize("name", BOTH)
def test_set_and_lifted(rates: Rates, name: str) -> None:
    """What was set is there, and is a limit; None and infinity are none."""
    limited = [("requests" in name, "bytes" in name)]
    setattr(rates, name, 5)
    assert 5.0 == getattr(rates, name)
    assert limited == [(rates.limited, rates.metered)]
    for nothing in (None, math.inf):
        setattr(rates, name, nothing)
        assert getattr(rates, name) is None
        assert (False, False) == (rates.limited, rates.metered)


@pytest.mark.parametrize("kind", ["requests", "bytes"])
def test_narrowest_first(rates: Rates, kind: str) -> None:
    """A request is limited by its host of its Remote, its Remote, its host and the whole, in that order."""
    remote = rates.of(Remote())
    assert [] == found(rates, kind, remote)
    setattr(rates, f"{kind}_per_second", 4)
    setattr(rates, f"host_{kind}_per_second", 3)
    setattr(remote, f"{kind}_per_second", 2)
    setattr(remote, f"host_{kind}_per_second", 1)
    assert [1, 2, 3, 4] == found(rates, kind, remote)
    assert [] == found(rates, "bytes" if kind == "requests" else "requests", remote)


def test_limits_of_the_remote(rates: Rates) -> None:
    """A Remote's rates begin as its Limits say."""
    limits = Limits(requests_per_second=1, bytes_per_second=2, host_requests_per_second=3, host_bytes_per_second=4)
    remote = Remote(limits=limits)
    assert [1, 2, 3, 4] == [getattr(rates.of(remote), name) for name in BOTH]
    assert ([3, 1], [4, 2]) == (found(rates, "requests", rates.of(remote)), found(rates, "bytes", rates.of(remote)))
    assert (True, True) == (rates.limited, rates.metered)


def test_same_remote(rates: Rates) -> None:
    """A Remote has the same rates each time, with what was changed meanwhile."""
    remote = Remote(limits=Limits(bytes_per_second=1))
    rates.of(remote).bytes_per_second = 2
    assert 2 == rates.of(remote).bytes_per_second


def test_replaced_remote(rates: Rates) -> None:
    """A Remote that stands for the same URL shares its rates, and says how fast from now on."""
    old = Remote(url="http://h/", limits=Limits(bytes_per_second=1, host_requests_per_second=7))
    shared = rates.of(old)
    new = attrs.evolve(old, limits=Limits(bytes_per_second=2))
    assert rates.of(new) is shared
    assert (2, None) == (shared.bytes_per_second, shared.host_requests_per_second)
    assert 2 == rates.of(old).bytes_per_second


@pytest.mark.parametrize("urls", [(None, None), ("http://h/", "http://h/x/"), (None, "http://h/")])
def test_others(rates: Rates, urls: tuple[str | None, str | None]) -> None:
    """Remotes of different URLs share nothing, nor do those without one."""
    one, other = (Remote(url=url) for url in urls)
    rates.of(one).bytes_per_second = 1
    assert rates.of(other).bytes_per_second is None


def test_forgotten(rates: Rates) -> None:
    """Rates end with their Remote, and with them the limits."""
    remote = Remote(url="http://h/", limits=Limits(bytes_per_second=1))
    rates.of(remote)
    assert rates.metered
    del remote
    gc.collect()
    assert not rates.metered
    assert ({}, 0) == (rates._known, len(rates._all))
    again = Remote(url="http://h/")
    assert rates.of(again).bytes_per_second is None


def test_one_host(rates: Rates) -> None:
    """A host may have a rate of its own; its name is read as in a URL."""
    rates.host("Mirror.Example").requests_per_second = 2
    rates.host("[::1]").requests_per_second = 3
    remote = rates.of(Remote())
    assert [2] == found(rates, "requests", remote, "mirror.example")
    assert [3] == found(rates, "requests", remote, "::1")
    assert [] == found(rates, "requests", remote, "other.example")
    assert rates.limited


def test_each_host(rates: Rates) -> None:
    """A rate for each host is for each alone; to set it sets it for all."""
    rates.host("own").bytes_per_second = 9
    rates.host_bytes_per_second = 5
    rates.host_requests_per_second = 3
    assert 3 == rates.host("own").requests_per_second
    one, other = rates.host("a"), rates.host("b")
    assert one.bytes is not other.bytes
    assert [5, 5, 5] == [each.bytes_per_second for each in (one, other, rates.host("own"))]
    rates.host("own").bytes_per_second = None
    assert 5 == one.bytes_per_second


def test_many_hosts(rates: Rates, clock: Clock) -> None:
    """Hosts are forgotten when they are many, but not those that differ, nor where something is going on."""
    rates.host_requests_per_second = 1
    rates.host("own").requests_per_second = 7
    busy = rates.host("busy")
    busy.requests.spend(5)
    for number in range(1100):
        rates.host(f"h{number}")
    assert 200 > len(rates._hosts)
    assert rates.host("busy") is busy
    assert 7 == rates.host("own").requests_per_second


def test_version(rates: Rates) -> None:
    """Every change is a new version."""
    versions = [rates.version]
    rates.bytes_per_second = 1
    versions.append(rates.version)
    rates.host("h").bytes_per_second = 1
    versions.append(rates.version)
    remote = Remote()
    rates.of(remote)
    versions.append(rates.version)
    rates.of(remote).host_bytes_per_second = 1
    versions.append(rates.version)
    assert versions == sorted(set(versions))


def test_repr(clock: Clock) -> None:
    """A rate shows itself, and who waits."""
    rate = Rate(clock, lambda: None)
    assert "<Rate any requests/s, any bytes/s, 0 waiting>" == repr(rate)
    rate.requests_per_second, rate.bytes_per_second = 0.5, 250_000
    rate.bytes.turn()
    rate.bytes.turn()
    assert "<Rate 0.5 requests/s, 250000 bytes/s, 1 waiting>" == repr(rate)


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        (b"http://H.test/path", "h.test"),
        (b"https://h.test:8080/?http://x/", "h.test"),
        (b"ftp://u:p@h.test:21/a@b", "h.test"),
        (b"http://[::1]:80/", "::1"),
        (b"http://h.test", "h.test"),
        (b"http://h.test?q", "h.test"),
        (b"file:///a/b", ""),
        (b"nonsense", ""),
    ],
)
def test_host_of(uri: bytes, host: str) -> None:
    """The host of a URL, without user, port and brackets."""
    assert host == host_of(uri)
