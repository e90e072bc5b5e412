"""Tables of text, and documents of JSON."""

from __future__ import annotations

import io
import json

import pytest

from twisted_pulp.cli._listing import Listing
from twisted_pulp.cli._streams import Stream
from twisted_pulp.cli._table import facts, moment, table


def test_table() -> None:
    """Columns are as wide as what is in them; numbers stand at the right, and nothing is nothing."""
    rows = [("one", 5, None), ("eleven", 12345, "x")]
    assert ["NAME    COUNT  REMOTE", "one         5", "eleven  12345  x"] == list(
        table(("NAME", "COUNT", "REMOTE"), rows)
    )


def test_empty_table() -> None:
    """A table without rows has its header."""
    assert ["NAME  COUNT"] == list(table(("NAME", "COUNT"), []))


def test_hostile_cell() -> None:
    """No cell can do anything but appear."""
    assert ["\\x1b[2J"] == list(table(("A",), [("\x1b[2J",)]))[1:]


def test_facts() -> None:
    """Facts stand one below the other."""
    assert ["name     a", "version  3", "remote"] == list(facts([("name", "a"), ("version", 3), ("remote", None)]))


def test_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time is a date and a time of the day; what did not happen has none."""
    assert ("", 19) == (moment(None), len(moment(1e9)))


def test_document() -> None:
    """A document is one line, in which nothing moves a cursor, and which means the same."""
    out = io.StringIO()
    stream = Stream(out)
    value = {"a\x7f\x9b\u202e": ["\n", "é", 1, None]}
    stream.document(value)
    assert (value, 1, False) == (json.loads(out.getvalue()), out.getvalue().count("\n"), "\x7f" in out.getvalue())


@pytest.mark.parametrize("items", [[], [1], [{"a": 1}, {"a": 2}]])
def test_listing(items: list[object]) -> None:
    """A list is written item by item, and is one document in the end."""
    out = io.StringIO()
    listing = Listing(Stream(out), True)
    for item in items:
        listing.add(item, "words")
    listing.end()
    assert items == json.loads(out.getvalue())


def test_listing_lines() -> None:
    """For a person it is lines."""
    out = io.StringIO()
    listing = Listing(Stream(out), False)
    listing.add({"a": 1}, "one")
    listing.end()
    assert "one\n" == out.getvalue()
