"""What this package promises, and what it asks of those who extend it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from twisted.web.iweb import IAgent
from zope.interface import Attribute, Interface

from twisted_pulp.download import Download, DownloadReport, Group, Source, Totals
from twisted_pulp.errors import StorageError, shown
from twisted_pulp.headers import Fields
from twisted_pulp.settings import Remote

__all__ = ["Adoption", "ExportMode", "Head", "IDownloader", "IFollower", "IStorage", "IWriter", "Recovered"]

#: How an artifact comes to a path: "auto" shares its blocks where the file system can, and copies elsewhere.
ExportMode = Literal["auto", "reflink", "hardlink", "copy"]

_NONE: Mapping[str, str] = MappingProxyType({})


class Head(Struct, frozen=True):
    """
    What is known before the first byte.

    :ivar url: that answered, after redirects.
    :ivar status: of the response.
    :ivar headers: of the response.
    :ivar length: bytes of the whole file, or None.
    :ivar offset: where in the file the bytes to come begin; above 0 when a download is resumed.
    :ivar source: that answered.
    :ivar digests: of the whole file as the response declares them, where none is expected: algorithm -> hex.
    """

    url: str
    status: int
    headers: Fields
    length: int | None
    offset: int
    source: Source
    digests: Mapping[str, str] = _NONE

    def __repr__(self) -> str:
        return f"Head({shown(self.url)!r}, status={self.status}, length={self.length}, offset={self.offset})"


class IWriter(IConsumer):
    """
    A consumer that is told how a download begins and ends.

    Any `IConsumer` can stand where a writer is asked for; it just hears less.
    """

    rewindable: bool = Attribute("Whether `begin` may be called again with offset 0, to forget what was written.")

    def begin(head: Head) -> Deferred[None] | None:
        """
        Bytes are about to come, from *head*.offset on; called once for each attempt that gets as far.

        The download waits for the Deferred, if one is returned, and fails with what it fails with.
        """

    def commit(report: DownloadReport) -> Deferred[None] | None:
        """Everything came, and is what was expected."""

    def abort(error: BaseException) -> Deferred[None] | None:
        """The download has failed for good: give back what is held."""


class IDownloader(Interface):
    """Download many files as one Remote wants it."""

    remote: Remote = Attribute("The settings.")
    agent: IAgent = Attribute("Makes the requests: an IAgent; may be replaced.")
    pool: Any = Attribute("The pool of connections that everything shares.")
    http: Any = Attribute("A treq HTTPClient for metadata, whose bodies are decoded with a cap.")

    def download(download: Download | str, **fields: Any) -> Deferred[DownloadReport]:
        """
        Download one file.

        :param download: a `Download`, or a URL; then *fields* are those of `Download`.
        :returns: a Deferred of the report. It fails with the report's error, whose `report` is the report; to cancel it
            ends the download and keeps what can be resumed.
        """

    def head(download: Download | str) -> Deferred[DownloadReport]:
        """Ask for the headers only; the report has a status and headers, and nothing was written."""

    def download_all(
        downloads: Iterable[Download] | AsyncIterable[Download], concurrency: int = 8, *, fail_fast: bool = False
    ) -> AsyncIterator[DownloadReport]:
        """
        Download many files.

        :param downloads: pulled lazily: never more than *concurrency* are in flight or waiting to be taken.
        :param concurrency: downloads in flight.
        :param fail_fast: whether the first failure is raised, and ends the others.
        :returns: the reports, in order of completion; a failure is a report with an error. Leaving the loop ends all.
        """

    def download_each(
        downloads: Iterable[Download] | AsyncIterable[Download],
        callback: Callable[[DownloadReport], object],
        concurrency: int = 8,
        *,
        fail_fast: bool = False,
    ) -> Deferred[Totals]:
        """
        Download many files, and call *callback* with each report; a Deferred that it returns is waited for.

        :returns: a Deferred of the totals.
        """

    def download_groups(
        groups: Iterable[Group], concurrency: int = 8
    ) -> AsyncIterator[tuple[Group, list[DownloadReport]]]:
        """
        Download groups of files; a URL that several groups want is fetched once.

        :returns: each group, when it is finished, with the reports of its downloads in their order.
        """

    def close() -> Deferred[None]:
        """End everything in flight and remove temporary files that nobody took."""


class Adoption(Struct, frozen=True):
    """
    A finished file that shall become an artifact.

    :ivar path: that `IStorage.temporary` gave.
    :ivar sha256: of its bytes, in lower-case hex; trusted, so whoever says it must have proven it.
    :ivar size: of it in bytes; looked at.
    """

    path: str
    sha256: str
    size: int


class Recovered(Struct, frozen=True):
    """
    What `IStorage.recover` has found.

    :ivar removed: temporary files of processes that are no more.
    :ivar bytes: that these had.
    :ivar kept: temporary files that a later download goes on with, or that a living process has.
    """

    removed: int
    bytes: int
    kept: int


class IFollower(Interface):
    """Take in a file while it grows."""

    def grown(size: int) -> None:
        """The first *size* bytes are there, or will be in a moment; fewer than before: they come anew."""

    def cancel() -> None:
        """Nothing will come of it: forget it all. After `IStorage.adopt` this does nothing."""


class IStorage(Interface):
    """
    Keep artifacts, known by their sha256 (lower-case hex; anything else is a ValueError).

    What fails in the storage fails with `StorageError`; a full one with `StorageFull`.
    """

    follows: bool = Attribute("Whether `follow` is of any use.")

    def temporary(name: str) -> str:
        """
        Return the path at which a `Download` shall put a file that is to be adopted; the same for the same *name*.

        :param name: letters, digits, "-", "_" and "."; as a digest, so that a later run finds what this one leaves.
        :raises ValueError: when it is no such name.
        """

    def adopt(files: Sequence[Adoption], *, replace: bool = False) -> Deferred[list[StorageError | None]]:
        """
        Make finished files artifacts, all or some: what cannot be adopted has an error in its place.

        A file that is an artifact already is removed, which is a success. After `StorageFull` the file is still there.

        :param replace: whether a new file takes the place of an artifact that is there; to repair it.
        """

    def follow(path: str, sha256: str, size: int) -> IFollower | None:
        """
        Begin to take in a file while it grows, so that `adopt` has less to do; nothing is stored before that.

        :param path: of what grows, in the directory of `temporary`; it has the name that `adopt` is told later.
        :param sha256: of the whole of it, as expected; it is proven.
        :param size: of the whole of it in bytes.
        :returns: None when that is of no use.
        """

    def put(sha256: str, data: bytes) -> str | None:
        """
        Make a small body an artifact now, where that keeps nobody waiting; return the path of its file.

        :param sha256: of *data*; trusted, so whoever says it must have proven it.
        :returns: None when nothing was done, since it would have to be brought to the disk, or artifacts are no files:
            then it goes by way of `temporary` and `adopt`.
        :raises StorageError: when it cannot be stored.
        """

    def writer(*, sha256: str | None = None, size: int | None = None) -> IWriter:
        """
        Return a writer for bytes that come without a file; it hashes them and trusts nobody.

        Once committed, it has `sha256` and `size`.

        :param sha256: that they must have, or `commit` fails with `DigestMismatch`; None is any.
        :param size: that they must have in bytes, or it fails with `SizeMismatch`; None is any.
        """

    def has(sha256s: Sequence[str]) -> Deferred[set[str]]:
        """Return a Deferred of those that are stored."""

    def size(sha256: str) -> Deferred[int | None]:
        """Return a Deferred of the artifact's bytes, or None where it is not stored."""

    def path(sha256: str) -> str | None:
        """Return where the artifact's file is, if it is stored; None where artifacts are no files."""

    def read(sha256: str, offset: int = 0, length: int | None = None) -> Deferred[bytes]:
        """
        Return a Deferred of bytes of an artifact, all at once: for small ones.

        :param length: bytes at most; None is all. Fewer come at the end.
        :raises NotStored: (in the Deferred) when it is not stored.
        """

    def produce(sha256: str, consumer: IConsumer, offset: int = 0, length: int | None = None) -> Deferred[int]:
        """
        Give bytes of an artifact to *consumer*, at its pace; it is not told of the end.

        :param length: bytes; None is all. Fewer than these are `StorageDamaged`.
        :returns: a Deferred of how many were given. It fails with `NotStored`, or with `Cancelled` when the consumer
            stops it; to cancel it ends it.
        """

    def check(sha256: str, size: int | None = None) -> Deferred[str | None]:
        """
        Read an artifact and compare.

        :param size: it should have in bytes, or None.
        :returns: a Deferred of None when it is what it should be, or of "missing", "truncated" or "flipped".
        """

    def remove(sha256s: Sequence[str]) -> Deferred[int]:
        """Remove artifacts; return a Deferred of how many were there."""

    def each() -> AsyncIterator[tuple[str, int, float]]:
        """Return sha256, size, and time of storing (seconds since the epoch) of every artifact, found step by step."""

    def export(sha256: str, path: str, *, mode: ExportMode = "auto") -> Deferred[None]:
        """
        Put an artifact at *path*, at once or not at all; directories are made.

        :param path: trusted; what is there is replaced.
        :param mode: "reflink" and "hardlink" fail where the file system cannot; a hard link is the artifact itself, and
            read-only.
        """

    def url(sha256: str) -> Deferred[str | None]:
        """
        Return a Deferred of a URL by which a client can GET an artifact from the store itself for a while.

        Nobody says that it is there. None is where clients get it from here.
        """

    def recover() -> Deferred[Recovered]:
        """Remove what dead processes have left; to be called at the start."""

    def close() -> Deferred[None]:
        """Finish what was begun, and give everything back."""
