"""A writer as the target of a transfer, with the digests of what it was given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.interfaces import IConsumer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_pulp.digests import Hashes
from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import PulpError, WriterError
from twisted_pulp.interfaces import Head
from twisted_pulp.transfer._range import Version
from twisted_pulp.transfer._writers import as_writer

__all__ = ["WriterTarget"]


@implementer(IConsumer)
class WriterTarget:
    """
    What `FileTarget` is for a path, for any writer.

    :param writer: an `IWriter` or `IConsumer`.
    :param algorithms: of the digests.
    """

    _log = Logger()
    path = spans = None

    def __init__(self, writer: Any, algorithms: Iterable[str]) -> None:
        self._writer = as_writer(writer)
        self._algorithms = algorithms
        self._hashes = Hashes(algorithms)
        self.error: PulpError | None = None
        self.size = 0

    @property
    def rewindable(self) -> bool:
        """Whether what was written can be taken back."""
        return bool(self._writer.rewindable)

    async def adopt(self, usable: object) -> None:
        """Nothing is left of earlier runs."""

    def begin(self, head: Head, version: Version) -> Deferred[None] | None:
        """Bytes come from *head*.offset on."""
        if head.offset == 0 and (self.size or head.digests):
            self.size, self._hashes = 0, Hashes({*self._algorithms, *head.digests})
        return self._writer.begin(head)  # type: ignore[no-any-return]

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Pass it on."""
        self._writer.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Pass it on."""
        self._writer.unregisterProducer()

    def write(self, data: bytes) -> None:
        """Hash *data* and pass it on."""
        self.size += len(data)
        self._hashes.update(data)
        self._writer.write(data)

    def finish(self) -> None:
        """Nothing waits here."""

    def values(self) -> dict[str, str]:
        """Return the digests of all that came."""
        return self._hashes.values()

    def commit(self, report: DownloadReport, remembered: bool) -> Deferred[None] | None:
        """Tell the writer that all is well."""
        try:
            done = self._writer.commit(report)
        except Exception:
            done = fail()
        if not isinstance(done, Deferred):
            return None
        return done.addErrback(_writers, report.url)

    async def close(self, *, keep: bool, committed: bool = False) -> None:
        """Tell the writer that it failed, unless it did not."""
        if committed:
            return
        try:
            result = self._writer.abort(self.error or CancelledError())
            if result is not None:
                await result
        except Exception:
            self._log.failure("a writer failed to abort")


def _writers(why: Failure, url: str) -> None:
    if why.check(PulpError, CancelledError):
        why.raiseException()
    raise WriterError(url, f"{type(why.value).__name__}: {why.value}") from why.value
