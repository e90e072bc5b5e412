"""What the conditions of a request make of it."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.web.http_headers import Headers

from twisted_pulp.streamer._conditions import Verdict, date_of, range_applies, verdict
from twisted_pulp.streamer._entity import Entity

SHA = "ab" * 32
ETAG = f'"{SHA}"'.encode()
WEAK = b'W/"upstream"'
THEN = 1_700_000_000
ENTITY = Entity(size=100, sha256=SHA, modified=THEN + 0.7)


def date(seconds: float) -> bytes:
    """Return a date of HTTP."""
    return formatdate(seconds, usegmt=True).encode()


def said(method: bytes = b"GET", entity: Entity = ENTITY, **headers: bytes) -> Verdict:
    """Return the verdict on a request with these headers."""
    found = Headers({name.replace("_", "-").encode(): [value] for name, value in headers.items()})
    return verdict(method, found.getRawHeaders, entity)


@pytest.mark.parametrize("value", [ETAG, b"*", b'"x", ' + ETAG, b', "a,b",' + ETAG + b' , "y"', b"W/" + ETAG])
def test_none_match(value: bytes) -> None:
    """A known tag is not sent again, and fails what would change it; to compare weakly is enough."""
    assert Verdict.NOT_MODIFIED is said(If_None_Match=value)
    assert Verdict.NOT_MODIFIED is said(b"HEAD", If_None_Match=value)
    assert Verdict.FAILED is said(b"PUT", If_None_Match=value)


@pytest.mark.parametrize("value", [b"", b'"x"', SHA.encode(), b'"' + SHA.encode(), b'x, "' + SHA.encode() + b'"'])
def test_none_match_other(value: bytes) -> None:
    """An unknown tag, or what is none, is sent; dates then say nothing."""
    assert Verdict.SEND is said(If_None_Match=value, If_Modified_Since=date(THEN))


def test_match() -> None:
    """Only a strong tag that is the same matches."""
    assert Verdict.SEND is said(If_Match=b'"x", ' + ETAG)
    assert Verdict.SEND is said(If_Match=b"*")
    assert Verdict.FAILED is said(If_Match=b'"x"')
    assert Verdict.FAILED is said(If_Match=b"W/" + ETAG)
    weak = Entity(size=1, tag=WEAK.decode())
    assert Verdict.FAILED is said(entity=weak, If_Match=WEAK)
    assert Verdict.NOT_MODIFIED is said(entity=weak, If_None_Match=WEAK)


def test_no_tag() -> None:
    """What has no tag matches a star only."""
    bare = Entity(size=1)
    assert Verdict.FAILED is said(entity=bare, If_Match=ETAG)
    assert Verdict.SEND is said(entity=bare, If_None_Match=ETAG)
    assert Verdict.SEND is said(entity=bare, If_Modified_Since=date(THEN), If_Unmodified_Since=date(0))


def test_dates() -> None:
    """Dates are of whole seconds, as Last-Modified is."""
    assert Verdict.NOT_MODIFIED is said(If_Modified_Since=date(THEN))
    assert Verdict.NOT_MODIFIED is said(If_Modified_Since=date(THEN + 9))
    assert Verdict.SEND is said(If_Modified_Since=date(THEN - 1))
    assert Verdict.SEND is said(b"POST", If_Modified_Since=date(THEN))
    assert Verdict.SEND is said(If_Unmodified_Since=date(THEN))
    assert Verdict.FAILED is said(If_Unmodified_Since=date(THEN - 1))


def test_precedence() -> None:
    """A tag outranks a date, and what must hold comes before what may save bytes."""
    assert Verdict.SEND is said(If_Match=ETAG, If_Unmodified_Since=date(0))
    assert Verdict.FAILED is said(If_Match=b'"x"', If_None_Match=ETAG)
    assert Verdict.FAILED is said(If_Unmodified_Since=date(0), If_None_Match=ETAG)
    assert Verdict.NOT_MODIFIED is said(If_None_Match=ETAG, If_Modified_Since=date(0))


@pytest.mark.parametrize(
    "value", [b"", b"tomorrow", b"Wed, 99 Nov 2023 00:00:00 GMT", b"0", b"\xff\xfe", b"Tue, " + b"9" * 70]
)
def test_no_dates(value: bytes) -> None:
    """What is no date counts for nothing."""
    assert None is date_of(value)
    assert Verdict.SEND is said(If_Modified_Since=value, If_Unmodified_Since=value)


@pytest.mark.parametrize(
    "value", [b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"]
)
def test_date_forms(value: bytes) -> None:
    """All three forms of RFC 9110 section 5.6.7 are read."""
    assert 784111777 == date_of(value)


def applies(value: bytes | None, entity: Entity = ENTITY, now: float = THEN + 10) -> bool:
    """Return whether a Range counts with this If-Range."""
    headers = Headers({} if value is None else {b"If-Range": [value]})
    return range_applies(headers.getRawHeaders, entity, now)


def test_if_range() -> None:
    """A Range counts without If-Range, and with a strong validator of what is there."""
    assert applies(None)
    assert applies(ETAG)
    assert applies(date(THEN))
    assert not applies(b'"x"')
    assert not applies(b"W/" + ETAG)
    assert not applies(date(THEN + 1))
    assert not applies(date(THEN), now=THEN + 0.9)
    assert not applies(b"")
    assert not applies(WEAK, Entity(size=1, tag=WEAK.decode()))
    assert not applies(b'"x"', Entity(size=1))


@given(
    st.binary(max_size=80), st.sampled_from(["If_Match", "If_None_Match", "If_Modified_Since", "If_Unmodified_Since"])
)
def test_anything(value: bytes, name: str) -> None:
    """Whatever a client writes has a verdict, and nothing is confirmed that it does not name."""
    value = value.translate(None, b"\r\n\0").strip(b" \t")
    found = said(**{name: value})
    if name == "If_None_Match" and SHA.encode() not in value and value != b"*":
        assert Verdict.SEND is found
    if name == "If_Match" and SHA.encode() not in value and value != b"*":
        assert Verdict.FAILED is found
    applies(value)


@given(st.lists(st.text(st.characters(codec="ascii", categories=("L", "N", "P"), exclude_characters='"'), max_size=8)))
def test_lists(tags: list[str]) -> None:
    """A tag is found in a list wherever it stands, commas in others notwithstanding."""
    value = ", ".join(f'"{tag}"' for tag in [*tags, SHA, *tags]).encode()
    assert Verdict.SEND is said(If_Match=value)
    assert Verdict.NOT_MODIFIED is said(If_None_Match=value)
