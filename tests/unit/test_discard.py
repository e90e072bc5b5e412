"""The bodies that nobody wants."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionLost

from tests.unit.answering import outcome
from tests.unit.wire import OK, Wire, ok
from twisted_pulp.http import discard, refuse


def asked(*pieces: bytes) -> tuple[Wire, Any]:
    """Return a connection, and the response that came over it."""
    wire = Wire()
    return wire, wire.ask(None, *pieces, deliver=False).response


def fired(d: Any) -> list[Any]:
    """Return a list that gets what *d* comes to."""
    results: list[Any] = []
    d.addBoth(results.append)
    return results


@pytest.mark.parametrize("size", [0, 5, 64 << 10])
def test_read_to_the_end(size: int) -> None:
    """A body up to 64 KiB is read, so that its connection is free again."""
    wire, response = asked(OK + b"Content-Length: %d\r\n\r\n" % size)
    results = fired(discard(response))
    if size:
        assert not results
        wire.hear(b"x" * size)
    assert [None] == results
    assert [wire.connection] == wire.idle


def test_here_already() -> None:
    """A body that is here is forgotten at once."""
    _, response = asked(ok(b"hello"))
    assert [None] == fired(discard(response))


def test_broken_off() -> None:
    """A larger one loses its connection."""
    wire, response = asked(OK + b"Content-Length: 70000\r\n\r\n")
    results = fired(discard(response))
    wire.hear(b"x" * ((64 << 10) + 1))
    assert wire.aborted
    assert not results
    wire.lose(ConnectionLost())
    assert [None] == results


def test_cancelled() -> None:
    """Cancelling breaks the body off."""
    wire, response = asked(OK + b"Content-Length: 5\r\n\r\n")
    d = discard(response)
    d.cancel()
    assert isinstance(outcome(d), CancelledError)
    assert wire.aborted
    wire.lose(ConnectionLost())


def test_refuse() -> None:
    """Of a body that is refused nothing is taken."""
    wire, response = asked(OK + b"Content-Length: 5\r\n\r\n")
    refuse(response)
    assert wire.aborted


def test_refuse_what_is_here() -> None:
    """A body that is here costs nobody a connection."""
    wire, response = asked(ok(b"hello"))
    refuse(response)
    assert not wire.closed
