"""What is wrong with a file, or with where it goes."""

from __future__ import annotations

from errno import EDQUOT, ENOSPC

from twisted.internet.defer import CancelledError

from twisted_pulp.errors._root import DownloadError, StorageError

__all__ = [
    "Cancelled",
    "DigestMismatch",
    "HookError",
    "InvalidContent",
    "MetadataError",
    "NotStored",
    "PathError",
    "SizeMismatch",
    "StorageDamaged",
    "StorageFull",
    "StorageRefused",
    "StorageUnavailable",
    "TooLarge",
    "Truncated",
    "Unproven",
    "WriterError",
]


class Truncated(DownloadError):
    """
    The body ended before its length: another try resumes it.

    :ivar received: bytes that came.
    :ivar expected: bytes that were announced, or None in a chunked body.
    """

    retryable = True

    def __init__(self, url: str = "", received: int = 0, expected: int | None = None) -> None:
        of = "a body with no end" if expected is None else f"{expected} bytes"
        super().__init__(url, f"the body was cut short: {received} of {of} came")
        self.received, self.expected = received, expected


class SizeMismatch(DownloadError):
    """
    The file has another size than expected: the metadata is stale, or the server sent something else.

    :ivar expected: bytes expected.
    :ivar actual: bytes that came.
    """

    retryable = True

    def __init__(self, url: str = "", expected: int = 0, actual: int = 0) -> None:
        super().__init__(url, f"wrong size: expected {expected} bytes, got {actual}")
        self.expected, self.actual = expected, actual


class DigestMismatch(DownloadError):
    """
    The file is not the one expected: damaged on the way, replaced on the server, or the metadata is stale.

    :ivar algorithm: the digest that disagrees.
    :ivar expected: its expected value in lower-case hex.
    :ivar actual: its actual value in lower-case hex.
    """

    retryable = True

    def __init__(self, url: str = "", algorithm: str = "", expected: str = "", actual: str = "") -> None:
        super().__init__(url, f"wrong {algorithm}: expected {expected}, got {actual}")
        self.algorithm, self.expected, self.actual = algorithm, expected, actual


class Unproven(DownloadError):
    """The body ended with the connection, and nothing says it is whole: give a size or digest, or `allow_unproven`."""


class TooLarge(DownloadError):
    """
    The file is larger than allowed: raise `Limits.max_size`.

    :ivar limit: bytes allowed.
    """

    def __init__(self, url: str = "", limit: int = 0, detail: str = "") -> None:
        super().__init__(url, detail or f"larger than the {limit} bytes allowed")
        self.limit = limit


class WriterError(DownloadError):
    """The bytes could not be written: the detail says why."""


class HookError(DownloadError):
    """A hook failed or did not finish in time: see its traceback in the log."""


class InvalidContent(DownloadError):
    """A validator refused the file: the detail says why."""


class MetadataError(DownloadError):
    """
    The metadata of a repository cannot be understood: the detail says which line, and why.

    :ivar line: its number, from 1, or None.
    """

    def __init__(self, url: str = "", line: int | None = None, detail: str = "") -> None:
        super().__init__(url, detail if line is None else f"line {line}: {detail}")
        self.line = line


class PathError(DownloadError):
    """The file may not be written there: the path leaves its directory, is not a file name, or is wanted twice."""


class Cancelled(DownloadError, CancelledError):
    """The download was cancelled; what can be resumed was kept."""


class StorageFull(StorageError, WriterError):
    """
    The disk is full: free some space and go on, resumable parts were kept.

    :cvar errnos: of the operating system's errors that mean this.
    """

    errnos = frozenset({ENOSPC, EDQUOT})


class NotStored(StorageError):
    """
    The artifact is not in storage: download it again.

    :ivar sha256: its digest.
    """

    def __init__(self, sha256: str = "") -> None:
        super().__init__(sha256)
        self.sha256 = sha256

    def __str__(self) -> str:
        return f"no artifact {self.sha256} is stored"


class StorageDamaged(StorageError):
    """Something in the storage's directory is not what was put there: the detail says what."""


class StorageRefused(StorageError):
    """The object store refuses what was asked of it: look at its credentials, region and endpoint, and at the clock."""


class StorageUnavailable(StorageError):
    """
    The object store is out of reach: what was waiting for it can be tried again when it is back.

    :cvar retryable: true.
    """

    retryable = True
