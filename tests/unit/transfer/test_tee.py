"""Several writers for one download."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.contracts import WriterContract
from tests.fakes import Consumer, Producer, head, result_of
from twisted_pulp.download import DownloadReport
from twisted_pulp.transfer import DigestOnly, Memory, Tee

REPORT = DownloadReport(url="http://h/f")


class Slow(DigestOnly):
    """A writer in the test's hands."""

    def __init__(self) -> None:
        self.producer: Any = None
        self.ready: Deferred[None] = Deferred()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def begin(self, head: Any) -> Any:
        return self.ready

    def abort(self, error: BaseException) -> None:
        raise ValueError("no")


def test_all_get_all() -> None:
    """Each writer gets every byte, the beginning and the end."""
    first, second = Memory(), Consumer()
    tee = Tee(first, second)
    assert None is tee.begin(head())
    tee.registerProducer(Producer(), True)
    tee.write(b"ab")
    tee.write(b"c")
    tee.unregisterProducer()
    assert None is tee.commit(REPORT)
    assert (b"abc", b"abc") == (first.content, second.data)


def test_slowest() -> None:
    """The upstream waits while one of them does."""
    writers = [Slow(), Slow()]
    producer, tee = Producer(), Tee(*writers)
    tee.registerProducer(producer, True)
    for writer in (*writers, writers[0]):
        writer.producer.pauseProducing()
    writers[1].producer.resumeProducing()
    writers[1].producer.resumeProducing()
    assert producer.paused
    writers[0].producer.resumeProducing()
    assert not producer.paused
    writers[0].producer.stopProducing()
    assert producer.stopped


def test_late() -> None:
    """A writer that pauses, goes on or stops when there is nothing more to come does no harm."""
    writer = Slow()
    tee = Tee(writer)
    tee.registerProducer(Producer(), True)
    tee.unregisterProducer()
    writer.producer.pauseProducing()
    writer.producer.resumeProducing()
    writer.producer.stopProducing()


def test_all_ready() -> None:
    """Bytes come when all are ready."""
    slow = Slow()
    ready = Tee(Memory(), slow).begin(head())
    assert ready is not None
    assert not ready.called
    slow.ready.callback(None)
    assert None is result_of(ready)


def test_one_fails() -> None:
    """What one raises is the error of all."""
    failed = Tee(Memory(), Slow(), Memory()).abort(KeyError())
    assert failed is not None
    with pytest.raises(ValueError, match="no"):
        result_of(failed)


@pytest.mark.parametrize(("others", "expected"), [((), True), ((Memory(),), True), ((Consumer(),), False)])
def test_rewindable(others: Any, expected: bool) -> None:
    """It can take back what all can take back."""
    assert expected == Tee(Memory(), *others).rewindable


def test_no_writer() -> None:
    """What is no writer is refused at once."""
    with pytest.raises(TypeError):
        Tee(Memory(), 3)  # type: ignore[arg-type]


class TestContract(WriterContract):
    """It is a writer as any other."""

    def writer(self) -> Tee:
        return Tee(Memory(), DigestOnly())

    def written(self, writer: Any) -> bytes | None:
        return writer._writers[0].content  # type: ignore[no-any-return]
