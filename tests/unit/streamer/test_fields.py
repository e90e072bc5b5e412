"""Headers of an upstream that its clients may see."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.headers import is_field_value
from twisted_pulp.streamer._fields import ALLOWED, Forwarded, forwarded


def test_allowed() -> None:
    """What describes the file is passed on, written anew."""
    found = forwarded(
        [
            (b"CONTENT-TYPE", b" text/plain; charset=utf-8 "),
            (b"etag", b'"x"'),
            (b"Last-Modified", b"Tue, 14 Nov 2023 22:13:20 GMT"),
            (b"cache-control", b"public"),
            (b"Cache-Control", b"max-age=60"),
            (b"vary", b"Accept"),
        ]
    )
    assert (
        Forwarded(
            type="text/plain; charset=utf-8",
            tag='"x"',
            modified=1_700_000_000,
            cache_control="public, max-age=60",
            fields=(("Vary", "Accept"),),
        )
        == found
    )


@pytest.mark.parametrize(
    "name",
    [
        *("Set-Cookie", "Location", "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "TE"),
        *("Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Server", "WWW-Authenticate", "Public", "Link"),
        *("Strict-Transport-Security", "Access-Control-Allow-Origin", "Refresh", "Content-Location", "Date", "Via"),
    ],
)
def test_never(name: str) -> None:
    """What is between the upstream and us stays there."""
    assert Forwarded() == forwarded([(name.encode(), b"1")])


def test_nominated() -> None:
    """What Connection names is for the next hop only, wherever it stands."""
    pairs = [(b"Vary", b"x"), (b"Connection", b"close, VARY"), (b"ETag", b'"x"'), (b"Connection", b"Etag")]
    assert Forwarded() == forwarded(pairs)


@pytest.mark.parametrize("value", [b"a\r\nSet-Cookie: x=1", b"a\nb", b"a\rb", b"a\0b", b"\x7f", b"x" * 5000, b"", b" "])
def test_no_line(value: bytes) -> None:
    """A value that is not one line, or is too long, is not passed on at all."""
    assert Forwarded() == forwarded([(b"Cache-Control", value), (b"Vary", value), (b"Content-Type", b"text/" + value)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((b"ETag", b"x"), (b"ETag", b'"x'), (b"ETag", b'w/"x"'), (b"Last-Modified", b"today"), (b"Age", b"-1")),
        *((b"Content-Type", b"html"), (b"Content-Type", b"a/b;c"), (b"Content-Type", b"a/b, c/d")),
    ],
)
def test_malformed(name: bytes, value: bytes) -> None:
    """What is not what its name says is not passed on."""
    assert Forwarded() == forwarded([(name, value)])


def test_expires() -> None:
    """An Expires that is no date is one in the past."""
    assert (("Expires", "Thu, 01 Jan 1970 00:00:00 GMT"),) == forwarded([(b"Expires", b"0")]).fields
    later = b"Tue, 14 Nov 2023 22:13:20 GMT"
    assert (("Expires", later.decode()),) == forwarded([(b"Expires", later)]).fields


def test_narrower() -> None:
    """A caller may allow less."""
    pairs = [(b"Vary", b"x"), (b"Content-Encoding", b"gzip")]
    assert (("Vary", "x"),) == forwarded(pairs, frozenset({"vary"})).fields


_NAMES = st.sampled_from([*sorted(ALLOWED), "set-cookie", "connection", "transfer-encoding"]).map(str.encode)


@given(st.lists(st.tuples(_NAMES | st.binary(), st.binary())))
def test_anything(pairs: list[tuple[bytes, bytes]]) -> None:
    """Whatever an upstream sends, each name comes once, is allowed, and has a value of one line."""
    found = forwarded(pairs)
    names = [name.lower() for name, _ in found.fields]
    assert sorted(set(names)) == sorted(names)
    assert set(names) <= ALLOWED
    values = [value for _, value in found.fields] + [found.type, found.tag, found.cache_control]
    assert all(value is None or is_field_value(value) for value in values)
