"""One request for one file: from the first header to the last byte."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from msgspec import Struct, structs
from twisted.web._newclient import PotentialDataLoss, ResponseDone  # type: ignore[attr-defined]
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent

from twisted_pulp.download import Attempt, Download, Source
from twisted_pulp.errors import (
    DownloadError,
    HTTPStatusError,
    ProtocolError,
    PulpError,
    ResumeRefused,
    SizeMismatch,
    TooLarge,
    Truncated,
    WriterError,
    shown,
)
from twisted_pulp.headers import Fields
from twisted_pulp.http import Watch, fields_of, refuse, translated
from twisted_pulp.interfaces import Head
from twisted_pulp.settings import Remote
from twisted_pulp.threads import outlasting
from twisted_pulp.transfer._ask import request_headers, rest_headers
from twisted_pulp.transfer._begin import begin
from twisted_pulp.transfer._file import FileTarget
from twisted_pulp.transfer._hooks import Hooks
from twisted_pulp.transfer._journal import Journal
from twisted_pulp.transfer._proof import strongest
from twisted_pulp.transfer._range import Version, complete, range_end, range_total, rest_follows
from twisted_pulp.transfer._sink import Sink

__all__ = ["AttemptRun", "named"]

_WHOLE = frozenset({200, 203})
_NO_FIELDS = Fields(())
_NOTHING: Mapping[str, str] = MappingProxyType({})


def named(error: PulpError, url: str) -> PulpError:
    """Return *error*, about *url* if nobody has said yet what it is about."""
    if isinstance(error, DownloadError) and not error.url:
        error.url = shown(url)
    return error


class AttemptRun(Struct, eq=False):
    """
    A try of one source.

    :ivar version: that the target's bytes are of; brought up to date.
    :ivar url: that is asked; after redirects the last.
    :ivar status: of the response, or None while there is none.
    :ivar received: bytes of its body so far.
    :ivar resumed: whether it adds to bytes of an earlier try.
    :ivar unchanged: whether the server said that the file of an earlier run is still right (304).
    :ivar by_end: whether only the end of the connection said that the body was over.
    :ivar declared: the digest that the server declared, if none is expected: algorithm -> hex.
    :ivar several: gets this, the response and whether all of it was asked for; returns what fetches the file in several
        requests, or None. None where one request is enough.
    :ivar attempts: what became of each of several requests.
    :ivar until: where what was asked for ends, since there are bytes behind it; None is the end of the file.
    :ivar blamed: the source that failed, if that was another one.
    """

    _agent: IAgent
    remote: Remote
    _watch: Watch
    _download: Download
    source: Source
    _target: Any
    _hooks: Hooks
    version: Version | None
    known: Journal | None
    url: str
    status: int | None = None
    fields: Fields = _NO_FIELDS
    resumed: bool = False
    unchanged: bool = False
    by_end: bool = False
    declared: Mapping[str, str] = _NOTHING
    several: Any = None
    attempts: tuple[Attempt, ...] = ()
    blamed: Source | None = None
    until: int | None = None
    head: Head = None  # type: ignore[assignment]  # until there is a response
    _sink: Sink | None = None
    _end: int | None = None  # where the range ends that is being received

    @property
    def received(self) -> int:
        """Bytes of body that came."""
        if self.attempts:
            return self.attempts[0].bytes
        return 0 if self._sink is None else self._sink.received

    def ended(self, started: float, error: PulpError | None) -> tuple[Attempt, ...]:
        """Return what is to be reported of it, when it has *started* and ended with *error*."""
        first = Attempt(self.source, started, self.status, self.received, error)
        if not self.attempts:
            return (first,)
        if error is None or any(each.error is error for each in self.attempts):
            return self.attempts
        return (first, *self.attempts[1:])

    async def run(self, whole: bool) -> None:
        """
        Bring the body to the target.

        :param whole: whether to begin at byte 0 whatever is there.
        :raises PulpError: when it does not get there.
        """
        target, download = self._target, self._download
        if self.remote.file_mode != "copy" and self.url.startswith("file:") and isinstance(target, FileTarget):
            await self._linked(target)
            return
        offset = 0 if whole else target.size
        ranged = self._rest(offset) if offset else None
        if ranged is None:
            offset = 0
        self.resumed = offset > 0
        try:
            response: Any = await self._agent.request(
                b"GET", self.source.url.encode("ascii"), request_headers(download, self.source, self.known, ranged)
            )
        except HTTPStatusError as error:
            self.status, self.fields = (
                error.status,
                Fields([(n.encode("latin-1"), v.encode("latin-1")) for n, v in error.headers.items()]),
            )
            if offset and error.status == 416:
                if complete(error, offset):
                    return
                raise ResumeRefused(self.url, "the server cannot send the rest") from error
            raise
        try:
            skip = self._judged(response, offset)
            if skip is None:
                return
            assert self.version is not None
            begun = begin(
                target, self.head, self.version, self._watch, self.remote.timeouts.hook, self._hooks.headers, download
            )
            if begun is not None:
                await begun
        except BaseException:
            refuse(response)
            raise
        if self.several is not None:
            filling = self.several(self, response, whole)
            if filling is not None:
                await filling
                return
        if target.spans is not None:  # of an earlier run, and of no use now
            target.cut()
        most = self.remote.limits.max_size if download.size is None else download.size
        self._sink = sink = Sink(target, most, skip, None if self._hooks.progress is None else self._progress())
        if not (isinstance(target, FileTarget) and sink.took(response)):
            response.deliverBody(sink)
            if sink.reason is None:
                await sink.ended()
        finished = target.finish()
        if finished is not None:
            await outlasting(finished)
        self._settle(sink)

    def _rest(self, offset: int) -> dict[str, str] | None:
        self.until = self._target.until if self.several is not None else None
        return rest_headers(offset, self.version, self.source, self._download, self._target, self.until)

    async def _linked(self, target: FileTarget) -> None:
        """Let the target be a link to a file of this machine, once its agent says that it may be read."""
        headers = request_headers(self._download, self.source, self.known, None)
        response: Any = await self._agent.request(b"HEAD", self.url.encode("ascii"), headers)
        refuse(response)
        self.status, self.fields = response.code, fields_of(response)
        self.version = Version.of(self.source, self.fields, None)
        path = unquote(self.url.partition("://")[2].partition("/")[2])
        await target.link(f"/{path}", symbolic=self.remote.file_mode == "symlink")
        if target.error is not None:
            raise target.error

    def _judged(self, response: Any, offset: int) -> int | None:
        """Return how many bytes of the body to skip, or None when there is nothing to fetch."""
        source, download, target = self.source, self._download, self._target
        self.status, self.fields = response.code, fields_of(response)
        request = getattr(response, "request", None)
        if request is not None:
            self.url = request.absoluteURI.decode("latin-1")
        if response.code == 304 and self.known is not None:
            self.unchanged = True
            refuse(response)
            return None
        skip = 0
        if offset:
            assert self.version is not None
            version, size, until = self.version, download.size, self.until
            follows = rest_follows(response.code, self.fields, offset, version, source, size, until)
            if follows == "whole":
                self.until = None
                if target.rewindable:
                    offset, self.resumed = 0, False
                else:
                    skip = self._skippable(offset)
            else:
                self._end = end = range_end(self.fields)
                if response.length is not UNKNOWN_LENGTH and response.length != end - offset:
                    raise ResumeRefused(self.url, f"a range of {end - offset} bytes, with {response.length} of body")
        elif response.code not in _WHOLE:
            raise ProtocolError(self.url, f"status {response.code} is no file")
        length = None if response.length is UNKNOWN_LENGTH else response.length + (0 if skip else offset)
        if self.until is not None:
            length = range_total(self.fields)
        if length is not None:
            if download.size is not None and length != download.size:
                raise SizeMismatch(self.url, download.size, length)
            most = self.remote.limits.max_size
            if download.size is None and most is not None and length > most:
                raise TooLarge(self.url, most, f"{length} bytes, more than the {most} allowed")
        self.head = Head(self.url, response.code, self.fields, length, offset, source)
        if not download.digests:
            self._declare(offset)
        self.version = Version.of(source, self.fields, length)
        return skip

    def _declare(self, offset: int) -> None:
        """Take up what the server says about a file of which nothing else is known."""
        from twisted_pulp.http import declared_digests

        declared = declared_digests(self.fields, not offset)
        if declared:
            self.declared = declared = strongest(declared)
            self.head = structs.replace(self.head, digests=declared)

    def _skippable(self, offset: int) -> int:
        version = self.version
        now = Version.of(self.source, self.fields, None)
        same = version is not None and version.validator is not None and version.validator == now.validator
        if not self._download.digests and not same:
            raise WriterError(self.url, f"{offset} bytes cannot be taken back, and the file may have changed")
        return offset

    def _progress(self) -> Any:
        hook, download, total = self._hooks.progress, self._download, self.head.length
        assert hook is not None
        return lambda size: hook(download, size, total)

    def _settle(self, sink: Sink) -> None:
        """Raise what went wrong, ours first."""
        for error in (self._target.error, sink.error):
            if error is not None:
                raise named(error, self.url)
        if sink.excess is not None:
            size, most = self._download.size, self.remote.limits.max_size or 0
            raise TooLarge(self.url, most) if size is None else SizeMismatch(self.url, size, sink.excess)
        reason = sink.reason
        if reason is None or isinstance(reason.value, ResponseDone):
            if self._end is not None and self._target.size != self._end:
                raise ResumeRefused(self.url, f"a range up to byte {self._end}, with a body up to {self._target.size}")
            return
        if isinstance(reason.value, PotentialDataLoss):
            self.by_end = True
            return
        failed = translated(reason, self.url)
        if isinstance(failed, Truncated):
            failed = Truncated(self.url, self._target.size, self.head.length)
        raise failed from reason.value
