"""One request for one file: from the first header to the last byte."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web._newclient import PotentialDataLoss, ResponseDone  # type: ignore[attr-defined]
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent

from twisted_pulp.download import Download, Source
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
from twisted_pulp.http import Watch, basic, fields_of, refuse, translated
from twisted_pulp.interfaces import Head
from twisted_pulp.settings import Remote
from twisted_pulp.transfer._file import FileTarget
from twisted_pulp.transfer._hooks import Hooks, called
from twisted_pulp.transfer._journal import Journal
from twisted_pulp.transfer._range import Version, complete, range_end, range_headers, rest_follows
from twisted_pulp.transfer._sink import Sink
from twisted_pulp.transfer._threads import outlasting

__all__ = ["AttemptRun", "named"]

_WHOLE = frozenset({200, 203})
_NO_FIELDS = Fields(())


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
    """

    _agent: IAgent
    _remote: Remote
    _watch: Watch
    _download: Download
    _source: Source
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
    _sink: Sink | None = None
    _head: Head = None  # type: ignore[assignment]  # until there is a response
    _end: int | None = None  # where the range ends that is being received

    @property
    def received(self) -> int:
        """Bytes of body that came."""
        return 0 if self._sink is None else self._sink.received

    async def run(self, whole: bool) -> None:
        """
        Bring the body to the target.

        :param whole: whether to begin at byte 0 whatever is there.
        :raises PulpError: when it does not get there.
        """
        target, download = self._target, self._download
        if self._remote.file_mode != "copy" and self.url.startswith("file:") and isinstance(target, FileTarget):
            await self._linked(target)
            return
        offset = 0 if whole else target.size
        ranged = self._range(offset)
        if ranged is None:
            offset = 0
        self.resumed = offset > 0
        try:
            response: Any = await self._agent.request(b"GET", self._source.url.encode("ascii"), self._headers(ranged))
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
            begun = self._begun()
            if begun is not None:
                await begun
        except BaseException:
            refuse(response)
            raise
        most = self._remote.limits.max_size if download.size is None else download.size
        self._sink = sink = Sink(target, most, skip, self._progress())
        if not (isinstance(target, FileTarget) and sink.took(response)):
            response.deliverBody(sink)
            if sink.reason is None:
                await sink.ended()
        finished = target.finish()
        if finished is not None:
            await outlasting(finished)
        self._settle(sink)

    async def _linked(self, target: FileTarget) -> None:
        """Let the target be a link to a file of this machine, once its agent says that it may be read."""
        response: Any = await self._agent.request(b"HEAD", self.url.encode("ascii"), self._headers(None))
        refuse(response)
        self.status, self.fields = response.code, fields_of(response)
        self.version = Version.of(self._source, self.fields, None)
        path = unquote(self.url.partition("://")[2].partition("/")[2])
        await target.link(f"/{path}", symbolic=self._remote.file_mode == "symlink")
        if target.error is not None:
            raise target.error

    def _range(self, offset: int) -> dict[str, str] | None:
        if not offset:
            return None
        proven = bool(self._download.digests)
        ranged = None if self.version is None else range_headers(offset, self.version, self._source, proven)
        if ranged is None and not self._target.rewindable:
            raise WriterError(self.url, f"{offset} bytes cannot be taken back, and the rest cannot be fetched alone")
        return ranged

    def _headers(self, ranged: dict[str, str] | None) -> Headers | None:
        given = self._download.headers
        if not given and ranged is None and self.known is None and self._source.userinfo is None:
            return None
        headers = dict(given)
        if self._source.userinfo is not None:
            headers["Authorization"] = basic(*self._source.userinfo)
        if ranged is not None:
            headers.update(ranged)
        elif self.known is not None and self.known.validator is not None:
            tag = self.known.validator.startswith('"')
            headers["If-None-Match" if tag else "If-Modified-Since"] = self.known.validator
        return Headers({name.encode("ascii"): [value.encode("latin-1")] for name, value in headers.items()})

    def _judged(self, response: Any, offset: int) -> int | None:
        """Return how many bytes of the body to skip, or None when there is nothing to fetch."""
        source, download, target = self._source, self._download, self._target
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
            follows = rest_follows(response.code, self.fields, offset, self.version, source, download.size)
            if follows == "whole":
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
        if length is not None:
            if download.size is not None and length != download.size:
                raise SizeMismatch(self.url, download.size, length)
            most = self._remote.limits.max_size
            if download.size is None and most is not None and length > most:
                raise TooLarge(self.url, most, f"{length} bytes, more than the {most} allowed")
        self._head = Head(self.url, response.code, self.fields, length, offset, source)
        self.version = Version.of(source, self.fields, length)
        return skip

    def _skippable(self, offset: int) -> int:
        version = self.version
        now = Version.of(self._source, self.fields, None)
        same = version is not None and version.validator is not None and version.validator == now.validator
        if not self._download.digests and not same:
            raise WriterError(self.url, f"{offset} bytes cannot be taken back, and the file may have changed")
        return offset

    def _begun(self) -> Any:
        """Tell the hook and the target; return what is to be waited for, or None."""
        hook = self._hooks.headers
        if hook is not None:
            return self._announced(hook)
        return self._begin()

    async def _announced(self, hook: Any) -> None:
        await called(self._watch, self._remote.timeouts.hook, self.url, "headers", hook, self._download, self._head)
        begun = self._begin()
        if begun is not None:
            await begun

    def _begin(self) -> Any:
        try:
            begun = self._target.begin(self._head, self.version)
        except PulpError:
            raise
        except Exception as error:
            raise WriterError(self.url, f"the writer failed to begin: {type(error).__name__}: {error}") from error
        if not isinstance(begun, Deferred):
            return None
        return self._watch.limit(begun, self._remote.timeouts.hook, self._slow).addErrback(self._not_begun)

    def _slow(self, seconds: float) -> PulpError:
        return WriterError(self.url, f"the writer was not ready after {seconds:g} s")

    def _not_begun(self, why: Failure) -> None:
        if why.check(PulpError, CancelledError):
            why.raiseException()
        raise WriterError(
            self.url, f"the writer failed to begin: {type(why.value).__name__}: {why.value}"
        ) from why.value

    def _progress(self) -> Any:
        hook, download, total = self._hooks.progress, self._download, self._head.length
        return None if hook is None else lambda size: hook(download, size, total)

    def _settle(self, sink: Sink) -> None:
        """Raise what went wrong, ours first."""
        for error in (self._target.error, sink.error):
            if error is not None:
                raise named(error, self.url)
        if sink.excess is not None:
            size, most = self._download.size, self._remote.limits.max_size or 0
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
            failed = Truncated(self.url, self._target.size, self._head.length)
        raise failed from reason.value
