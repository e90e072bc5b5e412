"""One of several requests for parts of the same file."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.web._newclient import PotentialDataLoss, ResponseDone  # type: ignore[attr-defined]

from twisted_pulp.download import Attempt, Download, Source
from twisted_pulp.errors import Cancelled, HTTPStatusError, PulpError, ResumeRefused, Truncated
from twisted_pulp.http import fields_of, refuse, translated
from twisted_pulp.transfer._ask import request_headers
from twisted_pulp.transfer._attempt import named
from twisted_pulp.transfer._file import FileTarget
from twisted_pulp.transfer._range import Version, check_part, part_headers
from twisted_pulp.transfer._shares import Share
from twisted_pulp.transfer._strand import Strand, Strands

__all__ = ["Leg", "Parts"]

_ENDS = (ResponseDone, PotentialDataLoss)


class Parts(Struct, eq=False):
    """
    What the requests for the parts of one file have in common.

    :ivar length: of the whole file.
    :ivar versions: of each source's URL, the validator of the version that its bytes are of.
    """

    download: Download
    target: FileTarget
    strands: Strands
    length: int
    versions: dict[str, str | None]


class Leg(Struct, eq=False):
    """
    A request for the bytes of *share*, to one source.

    :param agent: that reaches it.
    :param started: seconds since the epoch.
    :ivar response: once there is one. One that is there already is not asked for.
    :ivar error: why it failed, or None.
    """

    _parts: Parts
    _agent: Any
    source: Source
    share: Share
    _started: float
    response: Any = None
    error: PulpError | None = None
    _status: int | None = None
    _strand: Strand | None = None
    _running: Deferred[None] | None = None

    @property
    def attempt(self) -> Attempt:
        """What became of it."""
        received = 0 if self._strand is None else self._strand.received
        return Attempt(self.source, self._started, self._status, received, self.error)

    async def run(self) -> None:
        """
        Bring the bytes to the target, or as many as are still wanted.

        :raises PulpError: when they do not get there.
        """
        self._running = Deferred.fromCoroutine(self._run())
        try:
            await self._running
        except CancelledError:  # an empty share was taken away from us: that is no failure
            if self.share.left:
                self.error = Cancelled(self.source.url, "cancelled")
                raise
        except PulpError as error:
            self.error = named(error, self.source.url)
            raise

    def stop(self) -> None:
        """Need nothing more of it."""
        running: Any = self._running
        running.cancel()

    async def _run(self) -> None:
        if self.response is None:
            self.response = await self._asked()
        self._status = self.response.code
        self._strand = strand = Strand(self._parts.strands, self.share)
        try:
            self.response.deliverBody(strand)
            if strand.reason is None:
                await strand.ended()
        finally:
            strand.close()
        for error in (self._parts.target.error, strand.error):
            if error is not None:
                raise error
        if self.share.left:
            self._cut(strand)

    def _cut(self, strand: Strand) -> None:
        assert strand.reason is not None
        url, share = self.source.url, self.share
        failed = translated(strand.reason, url)
        if isinstance(failed, Truncated) or strand.reason.check(*_ENDS):
            failed = Truncated(url, share.at, self._parts.length)
        raise failed from strand.reason.value

    async def _asked(self) -> Any:
        parts, share, source = self._parts, self.share, self.source
        start, end, url = share.at, share.end, source.url
        known = parts.versions.get(url)
        headers = request_headers(parts.download, source, None, part_headers(start, end, known))
        share.reach = end
        try:
            response = await self._agent.request(b"GET", url.encode("ascii"), headers)
        except HTTPStatusError as error:
            self._status = error.status
            if error.status == 416:
                raise ResumeRefused(url, "the server does not have this range") from error
            raise
        fields, self._status = fields_of(response), response.code
        try:
            check_part(url, response.code, fields, start, end, parts.length, known)
        except ResumeRefused:
            refuse(response)
            raise
        if url not in parts.versions:
            parts.versions[url] = Version.of(source, fields, None).validator
            parts.strands.mixed()
        return response
