"""Directories as pages."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.streamer._listing import Entry, directory_location, listing

HERE = "http://pulp.example/content/d/"


class Links(HTMLParser):
    """The targets of the links of a page, and the elements that it has."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.links: list[str] = []
        self.elements: set[str] = set()
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        if tag == "a":
            (_, target), *_ = attrs
            self.links.append(target or "")


def test_order() -> None:
    """Directories come first, and each kind by name, with size and date."""
    page = listing("/d/", [Entry("b", size=3, modified=0.0), Entry("z", directory=True), Entry("a")])
    assert ["../", "./z/", "./a", "./b"] == Links(page).links
    assert b"<td>Thu, 01 Jan 1970 00:00:00 GMT</td><td>3</td>" in page


def test_top() -> None:
    """Nothing leads up from the top."""
    assert [] == Links(listing("/", [], top=True)).links


@pytest.mark.parametrize(
    "name", ["javascript:alert(1)", "a&b", "a%2fb", "a?b#c", "ü", "<script>", "..", "'\" onload=x"]
)
def test_names(name: str) -> None:
    """A name is a link to itself below the directory, whatever it looks like."""
    [_, link] = Links(listing("/d/", [Entry(name)])).links
    if name != "..":
        assert HERE + name == unquote(urljoin(HERE, link))


@given(st.text(st.characters(exclude_characters="/")).filter(lambda name: name not in ("", ".", "..")), st.text())
def test_safe(name: str, path: str) -> None:
    """No name and no path makes an element or leads to another site."""
    found = Links(listing(path, [Entry(name)]))
    known = {"html", "head", "meta", "title", "style", "body", "h1", "table", "tr", "td", "a"}
    assert found.elements <= known
    target = urlsplit(urljoin(HERE, found.links[1]))
    assert ("http", "pulp.example") == target[:2]
    assert target.path.startswith("/content/d/")


@pytest.mark.parametrize(
    ("path", "location"), [(b"/a/b", b"./b/"), (b"//evil.example", b"./evil.example/"), (b"/a%20b", b"./a%20b/")]
)
def test_location(path: bytes, location: bytes) -> None:
    """A directory is sent to itself with a slash, by a reference that stays on the site."""
    assert location == directory_location(path)


@given(st.binary())
def test_location_safe(path: bytes) -> None:
    """Whatever the path is, its reference is one line, and stays."""
    found = directory_location(path).decode("ascii")
    assert re.fullmatch(r"\./[^/?#\s]*/", unescape(found))
