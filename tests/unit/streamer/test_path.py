"""Paths of requests: decoded once, strictly; what could lead elsewhere is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.streamer.attacks import PATHS
from twisted_pulp.streamer._path import LONGEST, path_of


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        (b"", ("",)),
        (b"a", ("a",)),
        (b"a/", ("a", "")),
        (b"a//b", ("a", "", "b")),
        (b"a%20b/%C3%A9", ("a b", "é")),
        ("é".encode(), ("é",)),
        (b"a%2Fb", ("a/b",)),
        (b"100%25", ("100%",)),
        (b"%2541", ("%41",)),
        (b"a+b&c=d;e@f:g", ("a+b&c=d;e@f:g",)),
        (b"...a/..b/.c/d..", ("...a", "..b", ".c", "d..")),
        (b'a b"<>[]{}|^`', ('a b"<>[]{}|^`',)),
    ],
)
def test_names(raw: bytes, names: tuple[str, ...]) -> None:
    """What a client sends is decoded segment by segment, and once only."""
    path = path_of(raw)
    if b" " in raw:  # no request line has one
        assert path is None
        path = path_of(raw.replace(b" ", b"%20"))
    assert path is not None
    assert names == path.names


@pytest.mark.parametrize("raw", PATHS)
def test_none(raw: bytes) -> None:
    """What is malformed, or leads upwards for anybody, is no path."""
    assert None is path_of(raw)
    assert None is path_of(b"a/" + raw + b"/b")


@pytest.mark.parametrize("query", [b"a b", b"\r\n", b"%", b"%0", b"a#b", b"\x00", b"\x7f"])
def test_queries(query: bytes) -> None:
    """A query that is none is refused, too."""
    assert None is path_of(b"a", query)
    assert None is not path_of(b"a", b"x=%20&y=/?:@")


def test_long() -> None:
    """A path has an end."""
    assert None is not path_of(b"a" * LONGEST)
    assert None is path_of(b"a" * (LONGEST + 1))
    assert None is path_of(b"a" * LONGEST, b"b")


@pytest.mark.parametrize(
    ("raw", "text", "plain", "directory"),
    [
        (b"a/b", "a/b", "a/b", False),
        (b"a/", "a/", "a", True),
        (b"", "", "", True),
        (b"a//b", None, "a", False),
        (b"a%2Fb/c", None, "", False),
        (b"a/b%2Fc", None, "a", False),
        (b"/a", None, "", False),
        (b"a%20b/%25", "a b/%", "a b/%", False),
    ],
)
def test_text(raw: bytes, text: str | None, plain: str, directory: bool) -> None:
    """Only what means one path and no other is a path of the catalog."""
    path = path_of(raw)
    assert path is not None
    assert (text, plain, directory) == (path.text, path.plain, path.directory)


def test_below() -> None:
    """What is left below a base keeps its quoting, and its query."""
    path = path_of(b"base/a%2Fb/%7Ec+d", b"x=%20")
    assert path is not None
    assert "a%2Fb/%7Ec+d?x=%20" == path.below(1).reference
    assert ("a/b", "~c+d") == path.below(1).names
    assert () == path.below(3).names


@given(st.binary(max_size=60))
def test_any(raw: bytes) -> None:
    """Whatever comes, no name leads upwards, has control characters, or is not Unicode."""
    path = path_of(raw)
    if path is not None:
        for name in path.names:
            assert name not in (".", "..")
            assert not any(character < " " for character in name)
            name.encode()
