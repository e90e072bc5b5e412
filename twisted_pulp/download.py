"""What is asked for and what became of it: `Source`, `Pieces`, `Download`, `Attempt`, `DownloadReport`, `Group`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from attrs import define, field, frozen
from msgspec import Struct

from twisted_pulp.digests import ALGORITHMS, checked_digests
from twisted_pulp.errors import PulpError, SettingsError, shown
from twisted_pulp.headers import checked_headers, names_of
from twisted_pulp.settings import Remote
from twisted_pulp.urls import prepared, without_userinfo

__all__ = ["Attempt", "Download", "DownloadReport", "Group", "Pieces", "Source", "Totals"]

_NOTHING: Mapping[str, str] = MappingProxyType({})


@frozen(init=False)
class Source:
    """
    One URL that a file can come from.

    :ivar url: ready to be sent, without user name and password.
    :ivar priority: lower is tried first, 1 to 999999; default 1.
    :ivar remote: how to reach it; default None: the Remote of the Downloader.
    :ivar userinfo: user name and password that stood in the URL, or None; sent to the URL's own origin only.
    """

    url: str = field(repr=shown)
    priority: int
    remote: Remote | None
    userinfo: tuple[str, str] | None = field(repr=False)

    def __init__(self, url: str, priority: int = 1, remote: Remote | None = None) -> None:
        """:raises SettingsError: when *url* cannot be asked for."""
        url = prepared(url)
        userinfo = None
        if "@" in url:
            url, userinfo = without_userinfo(url)
        if not 1 <= priority <= 999999:
            raise SettingsError("priority", priority, "a number from 1 to 999999")
        self.__attrs_init__(url, priority, remote, userinfo)


def _sources(given: str | Source | Iterable[str | Source]) -> tuple[Source, ...]:
    if isinstance(given, str):
        return (Source(given),)
    if isinstance(given, Source):
        return (given,)
    if type(given) is tuple and len(given) == 1 and isinstance(only := given[0], Source):
        return (only,)
    made = [each if isinstance(each, Source) else Source(each) for each in given]
    if not made:
        raise SettingsError("sources", (), "at least one")
    if len(made) > 1:
        made.sort(key=lambda source: source.priority)
    return tuple(made)


@frozen(init=False)
class Pieces:
    """
    Digests of the pieces of a file: what is damaged is then fetched again alone.

    :ivar length: bytes of each piece; the last one may have fewer.
    :ivar algorithm: of the digests.
    :ivar digests: of each piece in order, in lower-case hex.
    """

    length: int
    algorithm: str
    digests: tuple[str, ...] = field(repr=lambda digests: f"<{len(digests)}>")

    def __init__(self, length: int, algorithm: str, digests: Iterable[str]) -> None:
        """:raises SettingsError: when a part is not what it must be."""
        if type(length) is not int or length < 1:
            raise SettingsError("pieces.length", length, "a whole number from 1")
        name = algorithm.lower()
        if name not in ALGORITHMS:
            raise SettingsError("pieces.algorithm", name, "one of " + ", ".join(ALGORITHMS))
        values = tuple(checked_digests({name: each})[name] for each in digests)
        self.__attrs_init__(length, name, values)

    def cover(self, size: int) -> bool:
        """Return whether these are the pieces of a file of *size* bytes."""
        return len(self.digests) == -(-size // self.length)


@frozen(init=False)
class Download:
    """
    A request for one file.

    :ivar sources: where it can come from, in order of priority.
    :ivar path: where it goes; None when there is a writer, or when it goes to a private temporary file.
    :ivar writer: an `IConsumer` or `IWriter` that gets the bytes instead of a path.
    :ivar size: expected bytes; None is not known, 0 is zero.
    :ivar digests: expected digests: algorithm -> hex in lower case.
    :ivar compute: further digests that the report shall hold.
    :ivar headers: sent with this request to the origin of the first source; other sources, and where a redirect leads,
        get only User-Agent and Accept, Accept-Charset, Accept-Language. Values are never shown.
    :ivar attachment: whatever the caller wants to find in the report.
    :ivar pieces: expected digests of the file's pieces, or None. Only files are repaired by them; for a writer the
        digests of the whole count.
    """

    sources: tuple[Source, ...]
    path: str | None
    writer: Any
    size: int | None
    digests: Mapping[str, str]
    compute: frozenset[str]
    headers: Mapping[str, str] = field(repr=names_of)
    attachment: Any
    pieces: Pieces | None

    def __init__(
        self,
        sources: str | Source | Iterable[str | Source],
        path: str | os.PathLike[str] | None = None,
        *,
        writer: Any = None,
        size: int | None = None,
        digests: Mapping[str, str] | None = None,
        compute: Iterable[str] = (),
        headers: Mapping[str, str] | None = None,
        attachment: Any = None,
        pieces: Pieces | None = None,
    ) -> None:
        """
        :param sources: a URL, a `Source`, or several of either.
        :param path: the file's path; missing directories are made.
        :raises SettingsError: when a part is not what it must be.
        """
        if path is not None and writer is not None:
            raise SettingsError("writer", writer, "left out where there is a path")
        if size is not None and (type(size) is not int or size < 0):
            raise SettingsError("size", size, "a whole number from 0, or None")
        if pieces is not None and size is not None and not pieces.cover(size):
            raise SettingsError("pieces", pieces, f"as many as {size} bytes have")
        wanted: frozenset[str] = frozenset()
        if compute:
            wanted = frozenset(name.lower() for name in compute)
            for name in wanted - ALGORITHMS.keys():
                raise SettingsError("compute", name, "one of " + ", ".join(ALGORITHMS))
        self.__attrs_init__(
            _sources(sources),
            None if path is None else os.fspath(path),
            writer,
            size,
            checked_digests(digests) if digests else _NOTHING,
            wanted,
            checked_headers(headers) if headers else _NOTHING,
            attachment,
            pieces,
        )

    @property
    def url(self) -> str:
        """The URL of the first source."""
        return self.sources[0].url


class Attempt(Struct, frozen=True):
    """
    One try of one source.

    :ivar source: the source tried.
    :ivar started: when, in seconds since the epoch.
    :ivar status: of the response, or None when none came.
    :ivar bytes: of the body, that came in this try.
    :ivar error: why it failed, or None.
    """

    source: Source
    started: float
    status: int | None
    bytes: int
    error: PulpError | None


@define
class DownloadReport:
    """
    What became of one `Download`.

    :ivar url: of the first source, without user name and password.
    :ivar final_url: after redirects; None when no response came.
    :ivar path: where the file is; None when it went to a writer or failed.
    :ivar size: bytes of the file.
    :ivar digests: algorithm -> hex; always sha256, every expected algorithm, and those of `Download.compute`.
    :ivar verified: whether an expected digest proved the bytes.
    :ivar status: of the last response; None when there was none, as with a file that was present.
    :ivar headers: of the last response; names in lower case, repeated ones joined with ", ".
    :ivar source: the `Source` that the file came from; None when it was present or all failed.
    :ivar attempts: every try, in order.
    :ivar started: seconds since the epoch.
    :ivar finished: seconds since the epoch.
    :ivar error: why it failed; None is success.
    :ivar attachment: the Download's.
    :ivar present: whether the file was there already and nothing was asked for.
    :ivar download: the Download itself.
    """

    url: str = field(repr=shown)
    final_url: str | None = field(default=None, repr=lambda url: repr(url and shown(url)))
    path: str | None = None
    size: int | None = None
    digests: Mapping[str, str] = _NOTHING
    verified: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default=_NOTHING, repr=names_of)
    source: Source | None = None
    attempts: tuple[Attempt, ...] = ()
    started: float = 0.0
    finished: float = 0.0
    error: PulpError | None = None
    attachment: Any = field(default=None, repr=False)
    present: bool = False
    download: Download | None = field(default=None, repr=False, eq=False)

    def unwrap(self) -> DownloadReport:
        """
        Return the report itself if it is of a success.

        :raises PulpError: the error it holds.
        """
        if self.error is not None:
            raise self.error
        return self


@define
class Totals:
    """
    What became of many Downloads.

    :ivar succeeded: files that are there now; those that were present count too.
    :ivar failed: files that are not.
    :ivar present: files that were there already.
    :ivar bytes: bytes that came over the wire, those of failed tries too.
    """

    succeeded: int = 0
    failed: int = 0
    present: int = 0
    bytes: int = 0

    def add(self, report: DownloadReport) -> None:
        """Count *report*."""
        if report.error is None:
            self.succeeded += 1
        else:
            self.failed += 1
        self.present += report.present
        for attempt in report.attempts:
            self.bytes += attempt.bytes


@frozen
class Group:
    """
    Downloads that belong together.

    :ivar id: whatever tells the group from others.
    :ivar downloads: its files; may be a generator.
    """

    id: Any
    downloads: Iterable[Download]
