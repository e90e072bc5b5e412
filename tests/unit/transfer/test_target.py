"""A writer as the target of a transfer."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from zope.interface import implementer

from tests.fakes import Consumer, Producer, done, head, result_of
from tests.leaks import LoggedErrors
from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import NotFound, TooLarge, WriterError
from twisted_pulp.interfaces import IWriter
from twisted_pulp.transfer import DigestOnly, Memory, WriterTarget
from twisted_pulp.transfer._range import Version

REPORT, VERSION = DownloadReport(url="http://h/f"), Version("http://h/f", None, None)


@implementer(IWriter)
class Writer(DigestOnly):
    """A writer that remembers its end, and does as it is told."""

    def __init__(self, commit: Any = None, abort: Any = None) -> None:
        self.ends: list[object] = []
        self._answers = {"commit": commit, "abort": abort}

    def _answered(self, name: str, seen: object) -> Any:
        self.ends.append(seen)
        answer = self._answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def commit(self, report: DownloadReport) -> Any:
        return self._answered("commit", report)

    def abort(self, error: BaseException) -> Any:
        return self._answered("abort", error)


def test_digests() -> None:
    """What the writer is given is counted and hashed, from the last beginning at 0."""
    memory = Memory()
    target = WriterTarget(memory, ["md5"])
    target.begin(head(), VERSION)
    target.write(b"xx")
    target.begin(head(), VERSION)
    target.registerProducer(Producer(), True)
    target.write(b"ab")
    target.unregisterProducer()
    target.begin(head(2), VERSION)
    target.write(b"c")
    assert None is target.finish()
    assert (3, None, None, True) == (target.size, target.path, done(target.adopt(None)), target.rewindable)
    assert {"sha256": hashlib.sha256(b"abc").hexdigest(), "md5": hashlib.md5(b"abc").hexdigest()} == target.values()
    assert None is target.commit(REPORT, False)
    assert b"abc" == memory.content


def test_consumer() -> None:
    """A plain consumer's bytes cannot be taken back."""
    consumer = Consumer()
    target = WriterTarget(consumer, [])
    assert False is target.rewindable
    with pytest.raises(TypeError):
        WriterTarget(object(), [])


def test_commit_waits() -> None:
    """A writer may take its time to commit."""
    target = WriterTarget(Writer(commit=succeed(None)), [])
    committed = target.commit(REPORT, False)
    assert committed is not None
    assert None is result_of(committed)


@pytest.mark.parametrize("error", [ValueError("mine"), fail(ValueError("mine"))], ids=["raised", "Deferred"])
def test_commit_fails(error: Any) -> None:
    """What a writer's commit raises is the writer's error, at once or later."""
    target = WriterTarget(Writer(commit=error), [])
    with pytest.raises(WriterError, match=r"ValueError: mine \(http://h/f\)"):
        result_of(target.commit(REPORT, False) or succeed(None))


@pytest.mark.parametrize(
    "error", [TooLarge("http://h/f", 1), fail(TooLarge("http://h/f", 1))], ids=["raised", "Deferred"]
)
def test_commit_refuses(error: Any) -> None:
    """A writer may say with an error of ours what is wrong."""
    target = WriterTarget(Writer(commit=error), [])
    with pytest.raises(TooLarge):
        result_of(target.commit(REPORT, False) or succeed(None))


def test_closed() -> None:
    """Who was committed is not aborted; who was not is told why, once and with what is known."""
    writer = Writer()
    target = WriterTarget(writer, [])
    done(target.close(keep=True, committed=True))
    assert [] == writer.ends
    done(target.close(keep=True))
    assert CancelledError is type(writer.ends[0])
    error = NotFound("", 404)
    target.error = error
    done(target.close(keep=True))
    assert error is writer.ends[1]


def test_abort_waits() -> None:
    """A writer may take its time to abort."""
    d: Deferred[None] = Deferred()
    closing = Deferred.fromCoroutine(WriterTarget(Writer(abort=d), []).close(keep=False))
    assert not closing.called
    d.callback(None)
    result_of(closing)


@pytest.mark.parametrize("error", [ValueError("mine"), fail(ValueError("mine"))], ids=["raised", "Deferred"])
def test_abort_fails(error: Any, logged_errors: LoggedErrors) -> None:
    """What a writer's abort raises is logged: the download has failed already."""
    done(WriterTarget(Writer(abort=error), []).close(keep=False))
    assert 1 == len(logged_errors.flush(ValueError))
