"""Headers that a user may set, and those that came."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.errors import SettingsError
from twisted_pulp.headers import Fields, checked_headers


def test_copied() -> None:
    """What was checked cannot be changed afterwards."""
    given = {"X-Token": "1"}
    headers = checked_headers(given)
    given["X-Evil"] = "a\r\nb"
    assert {"X-Token": "1"} == headers
    with pytest.raises(TypeError):
        headers["X-Evil"] = "a\r\nb"  # type: ignore[index]


@pytest.mark.parametrize("name", ["", " ", "X Y", "X:Y", "X\r\nY", "X\n", "Ä", "x\0", 1, b"x"])
def test_bad_name(name: Any) -> None:
    """What is no token cannot be a header's name."""
    with pytest.raises(SettingsError) as caught:
        checked_headers({name: "1"})
    assert "headers" == caught.value.field


@pytest.mark.parametrize(
    "name",
    ["Host", "content-length", "Transfer-Encoding", "Connection", "Accept-Encoding", "RANGE", "If-Range"],
)
def test_ours(name: str) -> None:
    """What the downloader itself must set is no user's to set."""
    with pytest.raises(SettingsError, match="itself sets"):
        checked_headers({name: "1"})


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\rb", "a\0", "\x7f", "\u0100", "a\n", 1, b"x", None])
def test_bad_value(value: Any) -> None:
    """A value that would add a line, or is no Latin-1, is refused and never shown."""
    with pytest.raises(SettingsError) as caught:
        checked_headers({"X-Token": value})
    assert ("headers.X-Token", "***") == (caught.value.field, caught.value.value)


@pytest.mark.parametrize("value", ["", "a b", "a\tb", "é", "~"])
def test_good_value(value: str) -> None:
    """Text of one line in Latin-1 is a value."""
    assert {"X-Token": value} == checked_headers({"X-Token": value})


@given(st.dictionaries(st.text(), st.text()))
def test_nothing_injected(headers: dict[str, str]) -> None:
    """Whatever is accepted makes exactly one line of each header."""
    try:
        checked = checked_headers(headers)
    except SettingsError:
        return
    lines = [f"{name}: {value}".encode("latin-1") for name, value in checked.items()]
    assert len(headers) == len([line for line in lines if line.splitlines() == [line]])


PAIRS = [(b"ETag", b'"a"'), (b"Vary", b" x\t"), (b"vary", b"y"), (b"X-Name", b"\xe9")]


def test_fields() -> None:
    """Names are found in any case, repeated values are joined, spaces around them are gone."""
    fields = Fields(PAIRS)
    assert {"etag": '"a"', "vary": "x, y", "x-name": "é"} == dict(fields)
    assert ("x, y", '"a"', 3) == (fields["VARY"], fields["etag"], len(fields))
    assert None is fields.get("content-length")


def test_every() -> None:
    """Values that must not be joined can be had one by one."""
    assert [b"x", b"y"] == Fields(PAIRS).every(b"vary")
    assert [] == Fields(PAIRS).every(b"set-cookie")


def test_values_hidden() -> None:
    """Only the names are shown."""
    assert "Fields(['set-cookie'])" == repr(Fields([(b"Set-Cookie", b"secret")]))
