"""When the rest of a file may be asked for, and what the answer means."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import refusal
from twisted_pulp.download import Source
from twisted_pulp.errors import ResumeRefused
from twisted_pulp.headers import Fields
from twisted_pulp.transfer._range import Version, complete, range_headers, rest_follows

HERE, THERE = Source("http://a/f"), Source("http://b/f")
DAY, LATER, MINUTE = "Tue, 15 Nov 1994 12:00:00 GMT", "Tue, 15 Nov 1994 12:00:59 GMT", "Tue, 15 Nov 1994 12:01:00 GMT"


def fields(**headers: str) -> Fields:
    """Return these headers."""
    return Fields([(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()])


@pytest.mark.parametrize(
    ("given", "validator"),
    [
        ({}, None),
        ({"etag": '"a"'}, '"a"'),
        ({"etag": '""'}, '""'),
        ({"etag": 'W/"a"'}, None),
        ({"etag": '"'}, None),
        ({"etag": "a"}, None),
        ({"etag": ""}, None),
        ({"etag": 'W/"a"', "last_modified": DAY, "date": MINUTE}, None),
        ({"last_modified": DAY, "date": MINUTE}, DAY),
        ({"last_modified": DAY, "date": LATER}, None),
        ({"last_modified": DAY}, None),
        ({"date": DAY}, None),
        ({"last_modified": "yesterday", "date": DAY}, None),
        ({"last_modified": DAY, "date": "Tue, 15 Nov 99999999999 12:00:00 GMT"}, None),
        ({"etag": '"a"', "last_modified": DAY, "date": MINUTE}, '"a"'),
    ],
)
def test_validator(given: dict[str, str], validator: str | None) -> None:
    """Only a strong tag, or a date of a file that was at rest when it was sent, says which version bytes are of."""
    version = Version.of(HERE, fields(**given), 10)
    assert validator == version.validator
    assert validator == version.validator  # looked at twice, it is the same
    assert (HERE.url, 10) == (version.url, version.length)


@given(st.text(st.characters(codec="latin-1")), st.text(st.characters(codec="latin-1")))
def test_any_dates(modified: str, date: str) -> None:
    """Whatever stands in the dates, they make a validator or none."""
    assert Version.of(HERE, fields(last_modified=modified, date=date), None).validator in (None, modified.strip(" \t"))


@pytest.mark.parametrize(
    ("version", "source", "proven", "expected"),
    [
        (Version(HERE.url, '"a"', 10), HERE, False, {"Range": "bytes=5-", "If-Range": '"a"'}),
        (Version(HERE.url, '"a"', 10), HERE, True, {"Range": "bytes=5-", "If-Range": '"a"'}),
        (Version(HERE.url, DAY, 10), HERE, False, {"Range": "bytes=5-", "If-Range": DAY}),
        (Version(HERE.url, None, 10), HERE, False, None),
        (Version(HERE.url, None, 10), HERE, True, {"Range": "bytes=5-"}),
        (Version(HERE.url, '"a"', 10), THERE, False, None),
        (Version(HERE.url, '"a"', 10), THERE, True, {"Range": "bytes=5-"}),
    ],
)
def test_asked(version: Version, source: Source, proven: bool, expected: dict[str, str] | None) -> None:
    """The rest is asked for of the same version, or of any source when a digest will prove the result."""
    assert expected == range_headers(5, version, source, proven)


VERSION = Version(HERE.url, '"a"', 10)


def judged(
    status: int, source: Source = HERE, size: int | None = None, version: Version = VERSION, **headers: str
) -> str:
    """Return what an answer to a request for the bytes from 5 on is."""
    return rest_follows(status, fields(**headers), 5, version, source, size)


@pytest.mark.parametrize(
    "headers",
    [
        {"content_range": "bytes 5-9/10"},
        {"content_range": "BYTES  5-9/10"},
        {"content_range": "bytes 5-9/*"},
        {"content_range": "bytes 5-7/*"},
        {"content_range": "bytes 5-9/10", "etag": '"a"'},
    ],
)
def test_rest(headers: dict[str, str]) -> None:
    """What continues where we are, of the same version, is the rest."""
    assert "rest" == judged(206, **headers)


def test_whole() -> None:
    """200 begins again, whatever else it says."""
    assert "whole" == judged(200, content_range="bytes 5-9/10", etag='"other"')


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (203, {"content_range": "bytes 5-9/10"}),
        (204, {}),
        (206, {}),
        (206, {"content_range": "bytes 4-9/10"}),
        (206, {"content_range": "bytes 6-9/10"}),
        (206, {"content_range": "bytes 0-9/10"}),
        (206, {"content_range": "bytes 5-4/10"}),
        (206, {"content_range": "bytes 5-9/11"}),
        (206, {"content_range": "bytes 5-8/10"}),
        (206, {"content_range": "bytes 5-10/10"}),
        (206, {"content_range": "bytes */10"}),
        (206, {"content_range": "items 5-9/10"}),
        (206, {"content_range": "bytes 5-9/10, bytes 5-9/10"}),
        (206, {"content_range": "bytes \u00b25-9/10"}),
        (206, {"content_range": "bytes 5-9/" + "9" * 20}),
        (206, {"content_type": "multipart/byteranges; boundary=x"}),
        (206, {"content_range": "bytes 5-9/10", "etag": '"b"'}),
        (206, {"content_range": "bytes 5-9/10", "etag": 'W/"a"'}),
    ],
)
def test_neither(status: int, headers: dict[str, str]) -> None:
    """What does not continue exactly here, or is of another version, is never added."""
    with pytest.raises(ResumeRefused):
        judged(status, **headers)


def test_other_length() -> None:
    """A file that has another length than expected is another file."""
    unknown = Version(HERE.url, '"a"', None)
    assert "rest" == judged(206, size=10, version=unknown, content_range="bytes 5-9/10")
    with pytest.raises(ResumeRefused, match="11 bytes now, not 10"):
        judged(206, size=10, version=unknown, content_range="bytes 5-10/11")


def test_tags_of_others() -> None:
    """Tags of different servers, and a date and a tag, cannot be compared."""
    assert "rest" == judged(206, THERE, etag='"b"', content_range="bytes 5-9/10")
    assert "rest" == judged(206, version=Version(HERE.url, DAY, 10), etag='"b"', content_range="bytes 5-9/10")
    assert "rest" == judged(206, version=Version(HERE.url, None, 10), etag='"b"', content_range="bytes 5-9/10")


@given(
    st.text(st.characters(codec="latin-1"), max_size=30)
    | st.from_regex(r"bytes [0-9]{1,3}-[0-9]{1,3}/([0-9]{1,3}|\*)", fullmatch=True)
)
def test_any_content_range(value: str) -> None:
    """Whatever a server says, only bytes that begin at our end and run to the end of the file are added."""
    try:
        answer = judged(206, content_range=value)
    except ResumeRefused:
        return
    assert "rest" == answer
    match = re.fullmatch(r"(?i)bytes +(\d+)-(\d+)/(\d+|\*)", value.strip(" \t"))
    assert match is not None
    assert "5" == match[1].lstrip("0")
    assert match[3] == "*" or int(match[3]) == int(match[2]) + 1 == 10


@pytest.mark.parametrize(
    ("status", "value", "expected"),
    [
        (416, "bytes */10", True),
        (416, "bytes */11", False),
        (416, "bytes */", False),
        (416, "", False),
        (404, "bytes */10", False),
    ],
)
def test_complete(status: int, value: str, expected: bool) -> None:
    """416 with our own size says that all is here."""
    assert expected is complete(refusal(status, content_range=value), 10)


def test_up_to_what_is_there() -> None:
    """A range up to bytes that are there ends with them, or is refused."""
    version = Version(HERE.url, '"a"', 20)
    assert "bytes=5-9" == (range_headers(5, version, HERE, False, 10) or {})["Range"]
    assert "rest" == rest_follows(206, fields(content_range="bytes 5-9/20"), 5, version, HERE, None, 10)
    with pytest.raises(ResumeRefused, match="up to 9"):
        rest_follows(206, fields(content_range="bytes 5-19/20"), 5, version, HERE, None, 10)
