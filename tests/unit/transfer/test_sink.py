"""A body on its way to its target: counted, limited, and ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.python.failure import Failure

from tests.fakes import Consumer, Response, result_of
from tests.leaks import LoggedErrors
from twisted_pulp.errors import HookError, PulpError, TooLarge, WriterError
from twisted_pulp.transfer._sink import Sink

DONE = ConnectionDone()


class Target(Consumer):
    """A target that may fail."""

    def __init__(self, **errors: Exception) -> None:
        super().__init__()
        self.errors, self.size = errors, 0

    def _maybe(self, name: str) -> None:
        if name in self.errors:
            raise self.errors[name]

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._maybe("register")
        super().registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self._maybe("unregister")
        super().unregisterProducer()

    def write(self, data: bytes) -> None:
        self._maybe("write")
        self.size += len(data)
        super().write(data)


def made(
    target: Target | None = None,
    *pieces: bytes,
    most: int | None = None,
    skip: int = 0,
    progress: Callable[[int], object] | None = None,
    end: BaseException | None = DONE,
) -> tuple[Sink, Target, Response]:
    """Return a sink that was given *pieces*, its target and its response."""
    target = target or Target()
    sink = Sink(target, most, skip, progress)
    response = Response(pieces=pieces, end=end)
    response.deliverBody(sink)
    return sink, target, response


def test_passes_on() -> None:
    """Bytes reach the target in their order, which may pause the body while it lasts."""
    sink, target, response = made(None, b"ab", b"", b"c")
    assert (b"abc", 3, ["register", "unregister"]) == (target.data, sink.received, target.heard)
    assert (True, None, []) == (sink.reason is not None, sink.error, response.told)


def test_producer() -> None:
    """The target's producer is the response."""
    _, target, response = made(end=None)
    assert response is target.producer


@pytest.mark.parametrize(("most", "passed"), [(3, True), (2, False), (0, False), (None, True)])
def test_limit(most: int | None, passed: bool) -> None:
    """A body that has more bytes than it may is broken off before they are written."""
    sink, target, response = made(None, b"ab", b"c", most=most)
    assert None is sink.error
    assert (b"abc" if passed else b"ab"[: most or 0], not passed) == (target.data, response.stopped)
    assert (None if passed else 3 if most else 2) == sink.excess


def test_after_the_end() -> None:
    """What still comes after a body was broken off is not written."""
    sink, target, _ = made(None, b"abc", most=2)
    sink.dataReceived(b"d")
    assert (b"", 3) == (target.data, sink.received)


@pytest.mark.parametrize(
    ("skip", "left"), [(0, b"abcdef"), (1, b"bcdef"), (2, b"cdef"), (3, b"def"), (6, b""), (9, b"")]
)
def test_skip(skip: int, left: bytes) -> None:
    """Bytes that the target has already are left out, however the body comes in pieces."""
    sink, target, _ = made(None, b"ab", b"cd", b"ef", skip=skip)
    assert (left, 6) == (target.data, sink.received)


@pytest.mark.parametrize("error", [OSError("disk"), TooLarge("", 3)])
@pytest.mark.parametrize("where", ["register", "write"])
def test_target_fails(where: str, error: Exception, logged_errors: LoggedErrors) -> None:
    """A target that fails ends the body; an error of ours stays what it is, any other is explained."""
    sink, _, response = made(Target(**{where: error}), b"ab")
    assert response.stopped
    if isinstance(error, PulpError):
        assert error is sink.error
    else:
        assert isinstance(sink.error, WriterError)
        assert "OSError: disk" in sink.error.detail
        assert 1 == len(logged_errors.flush(OSError))


def test_target_fails_at_the_end() -> None:
    """A target that fails when the body is over fails the download, unless something did before."""
    sink, _, _ = made(Target(unregister=OSError("gone")), b"ab")
    assert isinstance(sink.error, WriterError)
    first = TooLarge("", 1)
    sink, _, _ = made(Target(unregister=OSError("gone"), write=first), b"ab")
    assert first is sink.error


def test_progress() -> None:
    """Progress is what the target has, bytes of earlier tries included."""
    target, seen = Target(), []
    target.size = 10
    made(target, b"ab", b"c", progress=seen.append)
    assert [12, 13] == seen


def test_progress_fails(logged_errors: LoggedErrors) -> None:
    """A progress hook that raises fails the download."""

    def fail(_: int) -> None:
        raise ValueError("mine")

    sink, _, response = made(None, b"ab", progress=fail)
    assert isinstance(sink.error, HookError)
    assert response.stopped
    assert 1 == len(logged_errors.flush(ValueError))


def test_ended() -> None:
    """Who waits for the end is told when it comes."""
    sink, _, response = made(end=None)
    ended = sink.ended()
    assert not ended.called
    response.end(ConnectionDone())
    result_of(ended)


def test_cancelled() -> None:
    """Who does not want to wait any more breaks the body off."""
    sink, _, response = made(end=None)
    ended = sink.ended()
    ended.cancel()
    assert response.stopped
    assert sink.reason is not None
    assert sink.reason.check(ConnectionAborted)
    with pytest.raises(CancelledError):
        result_of(ended)


def test_lost_late() -> None:
    """An end that comes after the wait was given up hurts nobody."""

    class Slow(Response):
        def stopProducing(self) -> None:
            self.told.append("stop")

    sink = Sink(Target(), None, 0, None)
    response = Slow(end=None)
    response.deliverBody(sink)
    ended = sink.ended()
    ended.cancel()
    with pytest.raises(CancelledError):
        result_of(ended)
    sink.connectionLost(Failure(ConnectionDone()))
    assert sink.reason is not None
