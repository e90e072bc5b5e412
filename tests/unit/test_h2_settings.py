"""HTTP/2 is spoken where a Remote wants it, and nowhere else."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock

from tests.unit.test_endpoints import Connecting, Origin
from twisted_pulp.errors import SettingsError
from twisted_pulp.http import ConnectionPool, Endpoints, HTTPAgent, Watch
from twisted_pulp.settings import TLS, Remote

LAZY = """
import sys
from twisted.internet.testing import MemoryReactorClock
from twisted_pulp import Context, Remote
ours = lambda: [name for name in sys.modules if name.startswith("twisted_pulp.http._h2_")]
agent = Context(MemoryReactorClock()).agent(Remote())
agent.request(b"GET", b"https://192.0.2.1/")
print(len(ours()))
agent = Context(MemoryReactorClock()).agent(Remote(http2=True))
agent.request(b"GET", b"http://192.0.2.1/")
print(len(ours()))
agent.request(b"GET", b"https://192.0.2.1/")
print(len(ours()))
"""


def endpoints(remote: Remote) -> Endpoints:
    """Return the endpoints of *remote*, over a reactor in memory."""
    connecting = Connecting()
    names: Any = connecting.names
    return Endpoints(connecting.reactor, names, Watch(connecting.reactor), remote)


def key(remote: Remote, scheme: bytes) -> object:
    """Return what makes connections interchangeable."""
    return endpoints(remote).endpointForURI(Origin(scheme, b"a.test", 443)).key


def test_imported_when_it_is_needed() -> None:
    """Nothing of ours for HTTP/2, and so nothing of h2 but what Twisted itself may load, comes before it is wanted."""
    done = subprocess.run([sys.executable, "-c", LAZY], check=True, capture_output=True, text=True, timeout=60)
    assert ["0", "0", "6"] == done.stdout.split("\n")[:3]


def test_needs_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library the Remote says what to install, when it is made."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    Remote()
    with pytest.raises(SettingsError, match=r"http2 is True, .*twisted_pulp\[http2\]"):
        Remote(http2=True)


@pytest.mark.parametrize(("http2", "alpn"), [(True, ("http/1.1",)), (False, ("h2",)), (False, ("http/1.1", "h2"))])
def test_offers_that_contradict(http2: bool, alpn: tuple[str, ...]) -> None:
    """h2 is offered where it is wanted, and nowhere else."""
    with pytest.raises(SettingsError, match="h2"):
        Remote(http2=http2, tls=TLS(alpn=alpn))


def test_keys() -> None:
    """Connections of Remotes with and without HTTP/2 are kept apart, where it makes a difference."""
    both = Remote(http2=True), Remote(), Remote(http2=True, tls=TLS(alpn=("h2",)))
    assert 3 == len({key(remote, b"https") for remote in both})
    assert 1 == len({key(remote, b"http") for remote in both})
    assert key(Remote(http2=True), b"https") == key(Remote(http2=True), b"https")


def test_over_tls_only() -> None:
    """Only endpoints over TLS want it, and none of those that requests with a body go by."""
    ours = endpoints(Remote(http2=True))
    assert [True, False] == [ours.endpointForURI(Origin(s, b"a.test", 443)).http2 for s in (b"https", b"http")]
    assert not ours.single.endpointForURI(Origin(b"https", b"a.test", 443)).http2
    assert key(Remote(), b"https") == ours.single.endpointForURI(Origin(b"https", b"a.test", 443)).key
    plain = endpoints(Remote())
    assert plain.single is plain


def test_bodies_go_by_another_way() -> None:
    """Requests with a body, and other methods, ask for an endpoint without HTTP/2."""
    reactor = MemoryReactorClock()
    ours = endpoints(Remote(http2=True))
    pool = ConnectionPool(reactor)
    asked = HTTPAgent(reactor, ours, pool).request(b"DELETE", b"https://192.0.2.1/").addErrback(lambda _: None)
    assert [None] == [lane.wide for lane in pool._lanes.values()]
    pool.close()
    pool._watch.stop()
    assert asked.called
