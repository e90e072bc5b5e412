"""What an object store says when it does not do what was asked, as our errors."""

from __future__ import annotations

import re

from twisted_pulp.errors import NotStored, StorageError, StorageFull, StorageRefused, StorageUnavailable

__all__ = ["there_already", "translated", "unable"]

_STATUS = re.compile(r"status code: (\d{3})").search
_CODE = re.compile(r"<Code>\s*([A-Za-z0-9.]{1,60})\s*</Code>").search
# Codes of S3, Google and Azure that mean the same, whatever the status.
_FULL = frozenset({"QuotaExceeded", "TooManyBuckets", "InsufficientCapacity", "InsufficientAccountPermissions"})
_LATER = frozenset(
    {
        "BadDigest",
        "ConditionalRequestConflict",
        "InternalError",
        "InvalidDigest",
        "OperationAborted",
        "RequestTimeout",
        "ServerBusy",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "XAmzContentSHA256Mismatch",
    }
)
_WORDS = {
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "NoSuchBucket": "the bucket does not exist",
    "PermanentRedirect": "the bucket is in another region, or behind another endpoint",
    "AuthorizationHeaderMalformed": "the bucket is in another region",
    "InvalidAccessKeyId": "the access key is unknown",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "AccessDenied": "these credentials may not do that",
    "ExpiredToken": "the credentials have expired",
}
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


def there_already(error: Exception) -> bool:
    """Return whether *error* says that what was to be created is there."""
    return type(error).__name__ in ("AlreadyExistsError", "PreconditionError")


def unable(error: Exception) -> bool:
    """Return whether *error* says that the store does not know what was asked for, such as a condition."""
    return type(error).__name__ in ("NotSupportedError", "NotImplementedError") or "status code: 501" in str(error)


def translated(error: Exception, where: str, sha256: str = "") -> StorageError:
    """
    Return our error for *error* of obstore.

    :param where: the store, without secrets.
    :param sha256: of the artifact that was asked for; empty when it was not one.
    """
    words = str(error).partition("\nDebug source:")[0]
    status, code = _STATUS(words), _CODE(words)
    number, name = int(status[1]) if status else 0, code[1] if code else ""
    said = f"{where}: {' '.join(each for each in (str(number or ''), name) if each) or _first(words)}"
    if name in _WORDS:
        said += f", {_WORDS[name]}"
    if isinstance(error, FileNotFoundError) and name != "NoSuchBucket":
        return NotStored(sha256)
    if name in _FULL or number == 507:
        return StorageFull(detail=said)
    if name in _LATER or number in _PASSING:
        return StorageUnavailable(said)
    if 300 <= number < 400 or (not number and "redirect" in words):
        return StorageRefused(f"{said}: it sends us elsewhere, to another region or endpoint")
    if not number and type(error).__name__ in ("GenericError", "JoinError"):
        return StorageUnavailable(said.replace(": ", " is out of reach: ", 1))
    return StorageRefused(said)


def _first(words: str) -> str:
    """Return the end of the first line of what was said, without a URL, which may be signed."""
    said = words.partition("\n")[0].rpartition(" - ")[2]
    return re.sub(r"https?://\S+", "...", said)[:160]
