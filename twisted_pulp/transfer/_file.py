"""
A file on disk as a consumer.

A body that is small is kept until it is complete and proven, and then written at once. A larger one grows in a partial
file: pieces are gathered into batches, which a writer thread hashes and writes while the next one is being received.
The reactor's thread has time to hash one file alone; the other then only writes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_pulp.digests import Hashes, digests_of
from twisted_pulp.download import DownloadReport, Pieces
from twisted_pulp.errors import PulpError
from twisted_pulp.interfaces import Head
from twisted_pulp.threads import WriterThreads, outlasting
from twisted_pulp.transfer._backlog import Backlog
from twisted_pulp.transfer._journal import Journal
from twisted_pulp.transfer._place import Place, writer_error
from twisted_pulp.transfer._range import Version
from twisted_pulp.transfer._spans import Spans

if TYPE_CHECKING:
    from twisted_pulp.transfer._partial import Partial

__all__ = ["SMALL", "FileTarget"]

#: Bytes up to which a body is hashed and written in one go on the reactor's thread.
SMALL = 256 << 10
# Bytes of a piece on average; with smaller ones the reactor's thread has enough to do.
_LARGE_PIECES = 32 << 10


@implementer(IConsumer)
class FileTarget(Struct, eq=False):
    """
    Bring a download's bytes to a file, with their digests.

    :param place: of the file.
    :param threads: that hash and write.
    :param algorithms: of the digests.
    :param small: bytes up to which the file is written in one go; -1 when validators must see it first.
    :param kept: whether a partial file may be kept to resume later.
    :param put: takes the sha256 and the bytes of a file that is written in one go, and returns where it put them; None:
        it did nothing, and they go to *place*.
    :ivar size: bytes so far.
    :ivar error: why no more can be written, or None.
    :ivar spans: what is there, once it is filled at several places; None while it is filled in order.
    :ivar repairs: of its pieces so far, or None.
    """

    rewindable = True

    place: Place
    _threads: WriterThreads
    _algorithms: Iterable[str]
    _small: int = SMALL
    _kept: bool = True
    _put: Callable[[str, bytes], str | None] | None = None
    _pieces: list[bytes] = []
    _gathered: int = 0  # bytes in _pieces
    _version: Version | None = None
    _hashes: Hashes | None = None  # of what this thread hashes
    _partial: Partial | None = None  # once it is needed, and the way to it
    _backlog: Backlog = None  # type: ignore[assignment]
    _producer: Any = None
    _filled: bool = False  # whether the thread knows of the spans
    error: PulpError | None = None
    size: int = 0
    spans: Spans | None = None
    repairs: Any = None

    # the beginning
    async def adopt(self, usable: Callable[[Journal], bool], gaps: bool = False) -> Version | None:
        """
        Take up the partial file of an earlier run, if there is one.

        :param usable: tells whether a journal is of what is wanted.
        :param gaps: whether what is there behind a gap is of use.
        :returns: the version its bytes are of; `size` says how many there are.
        """
        if not self._kept or not self.place.exists(self.place.journal):
            return None
        journal = Journal.read(self.place)
        if journal is None or journal.modified or not journal.done or not usable(journal):
            return None
        partial = self._open(fresh=False)
        wanted = list(Spans(journal.ranges)) if gaps else [(0, journal.done)]
        ranges = await outlasting(self.do(partial.take_up, wanted)) or []
        self.size = ranges[0][1] if ranges else 0
        self.spans = Spans(ranges) if len(ranges) > 1 else None
        return Version(journal.url, journal.validator, journal.length) if self.size else None

    def begin(self, head: Head, version: Version) -> None:
        """Bytes of *version* come from *head*.offset on; 0 forgets what came before."""
        partial, self._version = self._partial, version
        if head.offset == 0:
            self._pieces, self._gathered, self.size, self._hashes = [], 0, 0, None
            if head.digests:
                self._algorithms = {*self._algorithms, *head.digests}
            self.spans, self._filled = None, False
            if partial is not None:
                self.do(partial.empty, self._algorithms)
        if partial is not None:
            partial.version = version
        elif self._small < 0 or (head.length is not None and head.length > self._small):
            self._open()

    def _open(self, *, fresh: bool = True) -> Partial:
        partial = self._begun()
        self.do(partial.open, fresh)
        return partial

    def _begun(self) -> Partial:
        from twisted_pulp.transfer._partial import Partial  # small files need none

        self._partial = partial = Partial(self.place, self._algorithms, self._kept)
        partial.version = self._version
        self._backlog = Backlog(self._threads, partial, self._failed)
        self._backlog.serve(self._producer)
        return partial

    async def link(self, path: str, *, symbolic: bool) -> None:
        """Let a link to the file at *path* be the file; look at `error` afterwards."""
        partial, self._hashes = self._partial or self._begun(), None
        self.size = await outlasting(self.do(partial.link, path, symbolic)) or 0

    # IConsumer
    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Pause and resume *producer*, which pushes, as the disk keeps up."""
        self._producer = producer
        if self._partial is not None:
            self._backlog.serve(producer)

    def unregisterProducer(self) -> None:
        """Forget it."""
        self.registerProducer(None, True)

    def write(self, data: bytes) -> None:
        """Take *data*."""
        size = len(data)
        self._pieces.append(data)
        self._gathered += size
        self.size += size
        if self._partial is None:
            if self._gathered <= self._small:
                return
            self._open()
        if self._gathered >= self._backlog.batch:
            self._flush()
            self._backlog.balance()

    # at several places
    @property
    def until(self) -> int | None:
        """Where, behind the first `size` bytes, there are bytes again; None is nowhere."""
        return None if self.spans is None else self.spans.next(self.size)

    def fill(self, length: int, pieces: Pieces | None) -> Partial:
        """Let the bytes of a file of *length* bytes come anywhere, and check *pieces*; return what `do` can call."""
        partial = self._partial or self._open()
        if not self._filled:
            self._filled = True
            self.spans = self.spans or Spans([(0, self.size)])
            hashes, self._hashes = self._hashes, None
            self.do(partial.fill, self.size, hashes, list(self.spans), length, pieces)
        return partial

    def cut(self) -> None:
        """Go on in order behind the first `size` bytes."""
        assert self._partial is not None
        self.spans, self._filled = None, False
        self.do(self._partial.cut, self.size)

    def _flush(self) -> None:
        if not self._gathered or self._partial is None:
            return
        pieces, size = self._pieces, self._gathered
        self._pieces, self._gathered = [], 0
        offset = self.size - size
        if not offset and self._threads.active == 1 and size >= _LARGE_PIECES * len(pieces):
            self._hashes = Hashes(self._algorithms)
        hashes = self._hashes
        self._backlog.write(pieces, offset, size, hashes is not None)
        if hashes is not None:
            for piece in pieces:
                hashes.update(piece)

    def do(self, f: Callable[..., Any], *args: Any) -> Deferred[Any]:
        """Have the writer's thread call *f*; the Deferred never fails, look at `error`."""
        return self._backlog.do(f, *args)

    def _failed(self, why: Failure) -> None:
        self.error = self.error or why.value  # type: ignore[assignment]  # Partial fails with nothing else
        if self._producer is not None:
            self._producer.stopProducing()

    # the end
    def finish(self) -> Deferred[None] | None:
        """
        Bring everything to the disk, and the digests up to date.

        :returns: None when that is done, or a Deferred; it does not fail, look at `error`.
        """
        if self._partial is None:
            return None
        self._flush()
        return self.do(lambda: None)  # the lane keeps its order: when this is done, all is

    def values(self) -> dict[str, str]:
        """Return the digests of all that came."""
        if self._partial is not None:
            return (self._hashes or self._partial.hashes).values()
        return digests_of(b"".join(self._pieces), self._algorithms)

    @property
    def path(self) -> str | None:
        """Where the bytes are before they are committed, or None while they are in memory."""
        return None if self._partial is None else self.place.beside(self.place.partial)

    def commit(self, report: DownloadReport, remembered: bool) -> Deferred[None] | None:
        """
        Let the bytes take the file's name.

        :param remembered: whether to keep a journal beside it, by which it can be revalidated.
        :returns: None when that is done, or a Deferred; look at `error` then.
        :raises WriterError: when it fails at once.
        """
        if self._partial is not None:
            return self.do(self._partial.take_name, self.size, remembered)
        data = b"".join(self._pieces)
        if self._put is not None and (path := self._put(report.digests["sha256"], data)) is not None:
            report.path = path
            self.place.leave()
            return None
        try:
            self.place.put(data)
        except OSError as error:
            raise writer_error(error, self.place.path) from error
        return None

    def close(self, *, keep: bool, committed: bool = False) -> Coroutine[Any, Any, None] | None:
        """
        Give everything back.

        :param keep: whether the partial file is worth keeping.
        :param committed: whether it has the file's name by now.
        :returns: what is to be waited for, or None.
        """
        self._producer = None
        partial = self._partial
        if partial is not None:
            return self._close(partial, keep, committed)
        self.place.release()
        return None

    async def _close(self, partial: Partial, keep: bool, committed: bool) -> None:
        if keep and not committed:
            self._flush()
        self._pieces = []
        try:
            await outlasting(self._backlog.call(partial.close, self.size, keep, committed))
        finally:
            self._backlog.close()
            self._partial = None
            self.place.release()
