"""Links: parts of URLs, and what all spellings of one have in common."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.streamer._links import canonical, elsewhere, split


@pytest.mark.parametrize(
    ("url", "spelling"),
    [
        ("https://files.example/a+b.whl", "https://FILES.example:443/a%2Bb.whl"),
        ("http://files.example/%7ea", "http://files.example:80/~a"),
        ("https://files.example", "https://files.example/"),
        ("https://[::1]:8080/a", "https://[::1]:8080/%61"),
    ],
)
def test_spellings(url: str, spelling: str) -> None:
    """Spellings of one URL have one name."""
    assert canonical(url) == canonical(spelling) is not None


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("https://files.example/a/b", "https://files.example/a%2Fb"),
        ("https://files.example/a", "http://files.example/a"),
        ("https://files.example/a", "https://files.example:8443/a"),
        ("https://files.example/a?b", "https://files.example/a%3Fb"),
        ("https://files.example/a?b=%26", "https://files.example/a?b=&"),
        ("https://files.example/A", "https://files.example/a"),
        ("https://files.example//a", "https://files.example/a"),
    ],
)
def test_differences(url: str, other: str) -> None:
    """URLs that may mean different files have different names."""
    assert None is not canonical(url) != canonical(other)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://files.example/a",
        "file:///etc/passwd",
        "mailto:somebody",
        "https://user:secret@files.example/a",
        "https://files.example/a/../b",
        "https://files.example/a/%2e%2E/b",
        "https://files.example/%2e",
        "https:///a",
        "https://files.example:99999/a",
        "https://files.exa mple/a",
        "/a",
        "",
    ],
)
def test_none(url: str) -> None:
    """What is not HTTP's, has credentials, or leads upwards, has no parts."""
    assert split(url) is None


def test_sent_as_written() -> None:
    """A path is asked for as it is written; what no server would take is quoted."""
    parts = split("https://files.example/a%2Bb+c:d@e/f g%/\u00e9?h=i")
    assert parts is not None
    assert "https://files.example/a%2Bb+c:d@e/f%20g%25/%C3%A9?h=i" == parts.url


@pytest.mark.parametrize(
    ("quoted", "query", "url"),
    [
        (("https", "files.example", "a", "b+c.whl"), None, "https://files.example/a/b%2Bc.whl"),
        (("http", "127.0.0.1%3A8080", "a"), "b=c", "http://127.0.0.1:8080/a?b=c"),
        (("https", "%5B::1%5D", "a", ""), None, "https://[::1]/a/"),
    ],
)
def test_elsewhere(quoted: tuple[str, ...], query: str | None, url: str) -> None:
    """The path of a file that is elsewhere has its whole URL."""
    assert url == elsewhere(quoted, query)


@pytest.mark.parametrize(
    "quoted",
    [
        (),
        ("https",),
        ("https", "files.example"),
        ("ftp", "files.example", "a"),
        ("https", "user@files.example", "a"),
        ("https", "files.example%2Fb", "a"),
        ("https", "files.example%0d%0a", "a"),
        ("https", "", "a"),
        ("https", "files.example", "..", "a"),
        ("https", "files.example", "%2e%2e", "a"),
        ("https", "files.example:80:80", "a"),
        ("https", "\u0131.example", "a"),
    ],
)
def test_nowhere(quoted: tuple[str, ...]) -> None:
    """What is no URL behind the scheme and the host is none."""
    assert elsewhere(quoted, None) is None


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1))
def test_requoting(segments: list[str]) -> None:
    """However a client quotes a path, it finds the same file; pip quotes everything anew."""
    path = "/".join(quote(each, safe="") for each in segments)
    name = canonical(f"https://files.example/{path}")
    if not {".", ".."}.isdisjoint(segments):
        assert name is None
        return
    again = tuple(quote(unquote(each), safe="~!$'()*,:;=@") for each in path.split("/"))
    assert name == elsewhere(("https", "files.example", *again), None)
