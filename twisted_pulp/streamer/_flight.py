"""One transfer of an artifact, however many clients want it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_pulp.download import Download, DownloadReport, Source
from twisted_pulp.errors import Cancelled, ConnectionLost, DigestMismatch, PulpError, SizeMismatch, StorageError
from twisted_pulp.interfaces import Head
from twisted_pulp.streamer._ahead import Ahead, Far
from twisted_pulp.streamer._circuit import Circuit
from twisted_pulp.streamer._errors import told
from twisted_pulp.streamer._moment import Moment
from twisted_pulp.streamer._threshold import Threshold
from twisted_pulp.streamer._wanted import Wanted

__all__ = ["Flight", "IReader"]

#: Bytes up to which an artifact is verified before its first byte is sent: of one that is kept, and of a streamed one.
_KEPT, _STREAMED = 1 << 20, 512 << 10
_NEVER = Far(most=0)


class IReader(Protocol):
    """Who reads along."""

    at: int
    reach: int

    def look(self) -> None:
        """More can be read, or it is over."""

    def cut(self, error: BaseException) -> None:
        """What was read is wrong, or nothing more comes."""


class Flight:
    """
    One transfer of an artifact, however many clients want it.

    :param wanted: the artifact.
    :param body: makes, of this flight, the `Spool` or `Pipe` that its bytes go through.
    :param threshold: says what happens when all clients have gone.
    :param clock: the reactor.
    :param circuit: is told whether the upstream answers; None: nobody is.
    :param over: called when everything was given back.
    :param far: says what is fetched ahead of the rest; default: nothing is.
    :ivar head: when the first response has come: its `Head`.
    :ivar ready: when the first byte may be sent to a client.
    :ivar ended: when all of it is here and verified as far as it can be: the report.
    :ivar settled: when it is noted that it has come, or it has failed.
    :ivar landed: when everything was given back.
    """

    _log = Logger()

    def __init__(
        self,
        wanted: Wanted,
        body: Callable[[Flight], Any],
        threshold: Threshold,
        clock: IReactorTime,
        circuit: Circuit | None,
        over: Callable[[Flight], None],
        far: Far = _NEVER,
    ) -> None:
        self.wanted, self._threshold, self._clock = wanted, threshold, clock
        self._circuit, self._tell_over = circuit, over
        self.body = body(self)
        self.ahead = Ahead(self, clock, far)
        self.head: Moment[Head] = Moment()
        self.ready: Moment[None] = Moment()
        self.ended: Moment[DownloadReport] = Moment()
        self.settled: Moment[None] = Moment()
        self.landed: Moment[None] = Moment()
        self.length = wanted.size
        self.verified = self.joinable = False
        self._readers: dict[IReader, None] = {}
        self._running: Deferred[None] | None = None
        self._over = self._closing = self._cancelled = self._told = False

    def __repr__(self) -> str:
        return f"<Flight {self.written} of {self.length} bytes, {self.readers} readers>"

    @property
    def readers(self) -> int:
        """How many read along."""
        return len(self._readers)

    @property
    def written(self) -> int:
        """The end of the bytes that can be read."""
        written: int = self.body.written
        return written

    @property
    def places(self) -> list[int]:
        """The first bytes that those who read want yet."""
        return [reader.at for reader in self._readers]

    def start(self, downloader: Any) -> None:
        """Begin, with *downloader*, whose hook `attempt_failed` leads here."""
        self.joinable = True
        self.ahead.begin(downloader)
        self._running = Deferred.fromCoroutine(self._run(downloader))
        self._running.addErrback(self._unexpected)

    async def _run(self, downloader: Any) -> None:
        try:
            wanted = self.wanted
            download = Download(
                wanted.sources, writer=self.body, size=wanted.size, digests=wanted.digests, attachment=self
            )
            report = await downloader.fetch(download)
            self.succeed(report)
            await self._keep(report)
        except Exception as error:
            self.fail(told(error))
        finally:
            self.settled.happen(None)
            self.finish()

    def attempt_failed(self, _: Download, source: Source, error: PulpError) -> None:
        """
        Note that *source* failed; as a hook.

        :raises CancelledError: when nothing can be saved: bytes have passed that cannot be taken back, and are wrong.
        """
        if self.wanted.failed is not None:
            try:
                self.wanted.failed(source, error)
            except Exception:  # it is for others, and no reason to serve nothing
                self._log.failure("the failure of a source could not be noted down")
        if isinstance(error, SizeMismatch | DigestMismatch):
            if self.written and not self.body.rewindable:
                # Of other sources it says nothing: the next client's transfer tries them first.
                self.fail(error, blamed=len(self.wanted.sources) == 1 and not self.wanted.remote.mirrored)
                raise CancelledError
            self.ahead.forget()
            self.body.distrust()

    def succeed(self, report: DownloadReport) -> None:
        """All of it is here, and right as far as is known."""
        self.ahead.stop()
        self.verified, self.length = True, report.size
        self.ended.happen(report)
        self.ready.happen(None)
        for reader in list(self._readers):
            reader.look()

    def fail(self, error: BaseException, *, blamed: bool = True) -> None:
        """
        Nothing more comes: everybody who reads is cut.

        :param blamed: whether the upstream is.
        """
        self.joinable = False
        self.ahead.stop()
        if blamed and self._circuit is not None and not self.ended.past:
            self._circuit.failed(self.wanted, error)
        for moment in (self.head, self.ended, self.ready):
            moment.happen(Failure(error))
        self._cut_all(error)

    def _cut_all(self, error: BaseException) -> None:
        for reader in list(self._readers):
            reader.cut(error)

    async def _keep(self, report: DownloadReport) -> None:
        try:
            storing = self.body.stored()
            if storing is not None:
                await storing
        except StorageError as error:
            self._log.error("what clients were given could not be stored: {error}", error=error)
            return
        if self.wanted.keep is None or self.body.forgets:
            return
        try:
            kept: Any = self.wanted.keep(report, report.digests["sha256"])
            if hasattr(kept, "__await__"):
                await kept
        except Exception:
            self._log.failure("an artifact that was stored could not be noted down")

    def _unexpected(self, why: Failure) -> None:
        self._log.failure("a transfer for clients failed unexpectedly", failure=why)

    def cancel(self) -> None:
        """Break it off: everybody who reads is cut. What is here whole is still noted down."""
        self.joinable = False
        if self.ended.past:
            self._cut_all(Cancelled(detail="the server is going down"))
        elif self._running is not None and not self._cancelled:
            self._cancelled = True
            self._running.cancel()

    # Audience
    def begun(self, head: Head) -> None:
        """A response has come; one that promises another length than those before is about another file."""
        length = self.wanted.size if self.wanted.size is not None else head.length
        if self.length not in (None, length) and length is not None:
            self.differs(0)
        self.length = length
        if self._circuit is not None and not self.head.past:
            self._circuit.answered(self.wanted, head.source.url)
        self.head.happen(head)
        self._consider()

    def grown(self) -> None:
        """Tell those who read."""
        self._consider()
        with self._listening():
            for reader in list(self._readers):
                reader.look()

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Do something when the transfer itself speaks: it cannot be broken off before it has finished."""
        told, self._told = self._told, True
        try:
            yield
        finally:
            self._told = told

    def _consider(self) -> None:
        most = _STREAMED if self.body.forgets else _KEPT
        if self.head.past and (most < self.length if self.length is not None else most <= self.written):
            with self._listening():
                self.ready.happen(None)

    def differs(self, offset: int) -> None:
        """Cut those who have read what was wrong from *offset* on."""
        self.ahead.forget()
        with self._listening():
            for reader in [each for each in self._readers if each.reach > offset]:
                reader.cut(DigestMismatch(self.wanted.sources[0].url, "sha256", "the same bytes again", "others"))

    def least(self) -> int:
        """Return the first byte that somebody wants to read yet."""
        return min((reader.at for reader in self._readers), default=0)

    def held_up(self) -> None:
        """Cut those for whom others have waited too long."""
        least = self.least()
        if any(reader.at >= self.written for reader in self._readers):
            for reader in list(self._readers):
                if reader.at == least:
                    reader.cut(ConnectionLost(detail="a client held up others"))

    # those who read
    def attach(self, reader: IReader) -> None:
        """Let *reader* read along."""
        self._readers[reader] = None

    def detach(self, reader: IReader) -> None:
        """*reader* has read enough."""
        if reader not in self._readers:
            return
        del self._readers[reader]
        self.ahead.look()
        if self._readers:
            self.body.trim()
        elif self._told:
            self._clock.callLater(0, self._unwanted)
        else:
            self._unwanted()
        self._close_when_left()

    def _unwanted(self) -> None:
        """Give it up, if nobody wants it and it is not worth being finished."""
        if self._readers or self.ended.past:
            return
        if self.body.forgets or not self._threshold.holds(self.written, self.length):
            self.cancel()

    def finish(self) -> None:
        """Give everything back once nobody reads any more."""
        self.joinable, self._over = False, True
        self._close_when_left()

    def _close_when_left(self) -> None:
        if self._over and not self._readers and not self._closing:
            self._closing = True
            closing = self.body.close()
            if closing is None:
                self._land()
            else:
                closing.addErrback(self._unexpected).addCallback(self._land)

    def _land(self, _: object = None) -> None:
        self._tell_over(self)
        self.landed.happen(None)
