"""Writers that are no file: memory, nothing at all, a client of ours, any consumer."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from tests.contracts import WriterContract
from tests.fakes import Consumer, Producer, head
from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import NotFound, TooLarge
from twisted_pulp.interfaces import IWriter
from twisted_pulp.transfer import DigestOnly, Memory, ResponseWriter
from twisted_pulp.transfer._writers import as_writer

REPORT = DownloadReport(url="http://h/f")


class Aborting:
    """A transport that can be broken off."""

    def __init__(self) -> None:
        self.aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class Client:
    """As much of a `twisted.web.server.Request` as a writer needs."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.code, self.finished, self.startedWriting = 200, False, 0
        self.responseHeaders, self.transport = Headers(), Aborting()
        self.producer: Any = None
        self._gone: Deferred[None] = Deferred()

    def notifyFinish(self) -> Deferred[None]:
        return self._gone

    def leave(self) -> None:
        """Close the connection."""
        self._gone.errback(Failure(ConnectionError()))

    def setResponseCode(self, code: int) -> None:
        self.code = code

    def setHeader(self, name: str, value: Any) -> None:
        self.responseHeaders.setRawHeaders(name, [value])

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        assert not self.finished
        self.startedWriting = 1
        self.sent.append(data)

    def finish(self) -> None:
        self.finished = True

    @property
    def headers(self) -> dict[bytes, list[bytes]]:
        """What it was sent."""
        return dict(self.responseHeaders.getAllRawHeaders())


class TestDigestOnly(WriterContract):
    """Nothing is kept."""

    def writer(self) -> Any:
        return DigestOnly()

    def written(self, writer: Any) -> bytes | None:
        return None


class TestMemory(WriterContract):
    """Everything is kept, up to a limit."""

    def writer(self) -> Any:
        return Memory()

    def written(self, writer: Any) -> bytes | None:
        return writer.content or b""

    def test_nothing_early(self) -> None:
        """Nothing is shown before it is proven."""
        memory = Memory()
        memory.begin(head())
        memory.write(b"a")
        assert None is memory.content

    @pytest.mark.parametrize(("limit", "good"), [(2, False), (3, True)])
    def test_limit(self, limit: int, good: bool) -> None:
        """More than the limit is refused, when it is announced or when it comes."""
        memory = Memory(limit)
        if good:
            self._given(memory, b"ab", b"c", length=3)
            return
        with pytest.raises(TooLarge):
            memory.begin(head(length=3))
        memory.begin(head())
        memory.write(b"ab")
        with pytest.raises(TooLarge):
            memory.write(b"c")

    def test_limit_after_rewind(self) -> None:
        """What was forgotten does not count."""
        memory = Memory(3)
        self._given(memory, b"ab")
        self._given(memory, b"abc")
        memory.commit(REPORT)
        assert b"abc" == memory.content


class TestResponseWriter(WriterContract):
    """A client gets the file while it comes."""

    def writer(self) -> Any:
        return ResponseWriter(Client())

    def written(self, writer: Any) -> bytes | None:
        client = writer._request
        return b"".join(client.sent) if client.finished else None

    def test_headers_first(self) -> None:
        """Status, length and the allowed headers are set before the first byte, and no others."""
        client = Client()
        upstream = [(b"ETag", b'"a"'), (b"Content-Type", b"text/x"), (b"Set-Cookie", b"s"), (b"Connection", b"close")]
        ResponseWriter(client).begin(head(length=3, headers=[*upstream, (b"Expires", b"a\tb\x01")]))
        assert (200, []) == (client.code, client.sent)
        assert {b"ETag": [b'"a"'], b"Content-Type": [b"text/x"], b"Content-Length": [b"3"]} == client.headers

    def test_unknown_length(self) -> None:
        """A length that is not known is not sent."""
        client = Client()
        ResponseWriter(client).begin(head())
        assert {} == client.headers

    def test_last_held_back(self) -> None:
        """The last piece waits for the proof."""
        client = Client()
        writer = ResponseWriter(client)
        self._given(writer, b"a", b"b")
        assert ([b"a"], False) == (client.sent, client.finished)
        writer.commit(REPORT)
        assert ([b"a", b"b"], True) == (client.sent, client.finished)

    def test_nothing(self) -> None:
        """A file may be empty."""
        client = Client()
        writer = ResponseWriter(client)
        self._given(writer, length=0)
        writer.commit(REPORT)
        assert ([], True) == (client.sent, client.finished)

    def test_headers_once(self) -> None:
        """A second source does not change what the client was told."""
        client = Client()
        writer = ResponseWriter(client)
        writer.begin(head(length=3, headers=[(b"ETag", b'"a"')]))
        writer.begin(head(1, 3, headers=[(b"ETag", b'"b"')]))
        assert [b'"a"'] == client.headers[b"ETag"]

    def test_producer(self) -> None:
        """The client's speed decides."""
        client, producer = Client(), Producer()
        writer = ResponseWriter(client)
        writer.unregisterProducer()
        writer.registerProducer(producer, True)
        assert producer is client.producer
        writer.unregisterProducer()
        assert None is client.producer

    def test_broken_off(self) -> None:
        """Of a file that is not what it must be, a client that has bytes gets a broken connection."""
        client = Client()
        writer = ResponseWriter(client)
        self._given(writer, b"a", b"b")
        writer.abort(NotFound("http://h/f", 404))
        assert (True, False, [b"a"]) == (client.transport.aborted, client.finished, client.sent)

    def test_bad_gateway(self) -> None:
        """A client that has no byte yet gets 502, with nothing of the upstream's."""
        client = Client()
        writer = ResponseWriter(client)
        writer.begin(head(length=3, headers=[(b"ETag", b'"a"')]))
        writer.write(b"a")
        writer.abort(NotFound("http://h/f?secret", 404))
        assert (502, [b"NotFound\n"], True) == (client.code, client.sent, client.finished)
        assert {b"Content-Type": [b"text/plain; charset=utf-8"]} == client.headers

    def test_client_leaves(self) -> None:
        """When the client leaves, the upstream is stopped, and nothing is written any more."""
        client, producer = Client(), Producer()
        writer = ResponseWriter(client)
        writer.begin(head())
        writer.registerProducer(producer, True)
        writer.write(b"a")
        client.leave()
        writer.write(b"b")
        writer.unregisterProducer()
        assert (True, []) == (producer.stopped, client.sent)
        with pytest.raises(ConnectionAbortedError):
            writer.commit(REPORT)
        writer.abort(NotFound("", 404))
        assert (False, False) == (client.transport.aborted, client.finished)

    def test_client_left_before(self) -> None:
        """For a client that has left, nothing is begun."""
        client, producer = Client(), Producer()
        writer = ResponseWriter(client)
        client.leave()
        with pytest.raises(ConnectionAbortedError):
            writer.begin(head())
        writer.registerProducer(producer, True)
        assert (True, None) == (producer.stopped, client.producer)


class TestPlain(WriterContract):
    """Any consumer can be a writer."""

    def writer(self) -> Any:
        return as_writer(Consumer())

    def written(self, writer: Any) -> bytes | None:
        return None

    def test_passed_on(self) -> None:
        """The consumer gets producer and bytes, and what it was given cannot be taken back."""
        consumer = Consumer()
        writer = as_writer(consumer)
        self._given(writer, b"a", b"b")
        assert (b"ab", ["register", "unregister"], False) == (consumer.data, consumer.heard, writer.rewindable)


def test_as_writer() -> None:
    """A writer is taken as it is, and what is no consumer is refused."""
    memory = Memory()
    assert memory is as_writer(memory)
    assert IWriter.providedBy(as_writer(Consumer()))
    with pytest.raises(TypeError, match="neither an IWriter nor an IConsumer"):
        as_writer(object())
