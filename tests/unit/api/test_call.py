"""Parameters, entity tags and problems."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_pulp.api._call import _among, tag_of
from twisted_pulp.api._problems import Refused, refused_by
from twisted_pulp.api._query import query_of
from twisted_pulp.api._route import LIMIT, Parameter, after
from twisted_pulp.documents import Fault, InvalidDocument
from twisted_pulp.errors import (
    CatalogFull,
    CatalogLocked,
    JobStateError,
    KeyConflict,
    KeyRefused,
    NameTaken,
    NotInCatalog,
    PulpError,
    QueueFull,
    SettingsError,
    StorageFull,
)

STATE = Parameter(name="state", among=("a", "b"), says="")
KNOWN = (LIMIT, after(), STATE)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (b"", {}),
        (b"?", {}),
        (b"?limit=5&after=x%20y&state=a", {"limit": 5, "after": "x y", "state": "a"}),
        (b"?after=%C3%A9", {"after": "\u00e9"}),
        (b"?limit=1000", {"limit": 1000}),
    ],
)
def test_query(query: bytes, found: dict[str, Any]) -> None:
    """Parameters are decoded and checked."""
    assert found == query_of(b"/jobs" + query, KNOWN)


@pytest.mark.parametrize(
    "query",
    [
        b"limit=0",
        b"limit=1001",
        b"limit=x",
        b"limit=",
        b"limit=1.0",
        b"limit=+1",
        "limit=\u0663".encode(),
        b"limit=" + b"9" * 5000,
        b"limit=1&limit=1",
        b"state=c",
        b"state=a%0A",
        b"after=%00",
        b"after=%ff",
        b"after=" + b"a" * 256,
        b"other=1",
        b"&".join([b"limit=1"] * 60),
    ],
)
def test_wrong_query(query: bytes) -> None:
    """What is not known, there twice or not as it must be is refused."""
    with pytest.raises(Refused) as caught:
        query_of(b"/jobs?" + query, KNOWN)
    assert 422 == caught.value.status


@pytest.mark.parametrize(
    ("given", "weak", "strong"),
    [
        ([b"{}"], True, True),
        ([b'"x", {}'], True, True),
        ([b'"x"', b"{}"], True, True),
        ([b"W/{}"], True, False),
        ([b"*"], True, True),
        ([b'"x"'], False, False),
        ([b"x"], False, False),
        ([b""], False, False),
    ],
)
def test_tags(given: list[bytes], weak: bool, strong: bool) -> None:
    """A tag is found among others; a weak one is the same for reading only."""
    tag = tag_of(b"x")
    values = [each.replace(b"{}", tag.encode()) for each in given]
    assert (weak, strong) == (_among(tag, values, weak=True), _among(tag, values, weak=False))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotInCatalog("remote", "x"), 404, "not_found"),
        (NameTaken("remote", "x"), 409, "name_taken"),
        (JobStateError("u", "running", "delete"), 409, "wrong_state"),
        (KeyConflict("k"), 422, "key_conflict"),
        (QueueFull(1, 1), 503, "queue_full"),
        (StorageFull("x"), 507, "storage_full"),
        (CatalogFull("x"), 507, "storage_full"),
        (CatalogLocked("x"), 503, "catalog_busy"),
        (KeyRefused("x"), 503, "key_refused"),
        (SettingsError("timeouts.connect", 0, "more"), 422, "invalid_document"),
        (InvalidDocument(Fault(pointer="/x", detail="y")), 422, "invalid_document"),
    ],
)
def test_problems(error: Exception, status: int, code: str) -> None:
    """Each error has its status and kind."""
    refused = refused_by(error)
    assert refused is not None
    assert (status, code) == (refused.status, refused.code)
    problem = refused.problem("/here")
    assert (status, f"urn:pulpdownloader:{code}", "/here") == (problem.status, problem.type, problem.instance)
    assert (status == 503) == ("Retry-After" in refused.headers)


@pytest.mark.parametrize("error", [ValueError("x"), PulpError("x"), KeyError("S3CR3T")])
def test_our_mistakes(error: Exception) -> None:
    """What is our own mistake is not told."""
    assert refused_by(error) is None
