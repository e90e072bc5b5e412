"""What an object store says, as our errors."""

from __future__ import annotations

import pytest
from obstore import exceptions

from twisted_pulp.errors import NotStored, StorageFull, StorageRefused, StorageUnavailable
from twisted_pulp.storage._refusals import there_already, translated, unable

PUT = "Generic S3 error: Error performing PUT https://h/b/k?X-Amz-Signature=S3CR3T in 3ms - "


def said(code: int, name: str) -> str:
    """Return words of obstore's about an answer of S3."""
    body = f"<Error><Code>{name}</Code></Error>\n\nDebug source:\nS3CR3T"
    return f"{PUT}Server returned non-2xx status code: {code} Some Phrase: {body}"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (exceptions.GenericError(said(503, "SlowDown")), StorageUnavailable, "503 SlowDown"),
        (exceptions.GenericError(said(500, "InternalError")), StorageUnavailable, "500 InternalError"),
        (exceptions.GenericError(said(400, "RequestTimeout")), StorageUnavailable, "400 RequestTimeout"),
        (exceptions.GenericError(said(429, "")), StorageUnavailable, "429"),
        (exceptions.GenericError(f"{PUT}HTTP error: error sending request"), StorageUnavailable, "is out of reach"),
        (exceptions.GenericError(f"{PUT}Received redirect without LOCATION"), StorageRefused, "region"),
        (exceptions.GenericError(said(301, "PermanentRedirect")), StorageRefused, "another region"),
        (exceptions.GenericError(said(507, "")), StorageFull, "507"),
        (exceptions.PermissionDeniedError(said(403, "QuotaExceeded")), StorageFull, "QuotaExceeded"),
        (exceptions.PermissionDeniedError(said(403, "RequestTimeTooSkewed")), StorageRefused, "the clock"),
        (exceptions.PermissionDeniedError(said(403, "SignatureDoesNotMatch")), StorageRefused, "the secret key"),
        (exceptions.UnauthenticatedError(said(401, "")), StorageRefused, "401"),
        (exceptions.GenericError(said(400, "EntityTooLarge")), StorageRefused, "400 EntityTooLarge"),
        (FileNotFoundError(said(404, "NoSuchBucket")), StorageRefused, "the bucket does not exist"),
        (FileNotFoundError(said(404, "NoSuchKey")), NotStored, "no artifact abc"),
        (ValueError("Invalid header"), StorageRefused, "Invalid header"),
    ],
)
def test_translated(error: Exception, kind: type[Exception], words: str) -> None:
    """Each says what the caller does with it, has the store's own code, and no secret."""
    found = translated(error, "s3://bucket", "abc")
    assert (kind, True) == (type(found), words in str(found))
    assert "S3CR3T" not in str(found)
    assert (kind is StorageUnavailable) == getattr(found, "retryable", False)


def test_there_already() -> None:
    """What is there already is no failure."""
    assert there_already(exceptions.AlreadyExistsError("x"))
    assert not there_already(exceptions.GenericError("x"))


def test_unable() -> None:
    """What a store cannot do is something else than what it does not want to."""
    assert unable(exceptions.NotSupportedError("x"))
    assert unable(exceptions.GenericError(said(501, "NotImplemented")))
    assert not unable(exceptions.GenericError(said(500, "InternalError")))
