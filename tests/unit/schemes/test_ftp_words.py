"""Replies, what they mean, and what follows from a URL: nothing here has a connection."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from twisted_pulp.errors import (
    ConnectionLost as Lost,
)
from twisted_pulp.errors import (
    HTTPStatusError,
    NotFound,
    ProtocolError,
    ResumeRefused,
    SettingsError,
    SizeMismatch,
    Truncated,
)
from twisted_pulp.schemes._ftp_body import excess, refused, verdict
from twisted_pulp.schemes._ftp_data import Data
from twisted_pulp.schemes._ftp_replies import Replies, Reply
from twisted_pulp.schemes._ftp_request import FTPRequest, Plan, Target
from twisted_pulp.schemes._ftp_words import Refusal, modified_of, port_of, size_of

MODIFIED = b"Thu, 21 Oct 2021 12:34:56 GMT"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"220 hello\r\n", [(220, "hello")]),
        (b"220\r\n", [(220, "")]),
        (b"220 a\n331 b\n", [(220, "a"), (331, "b")]),
        (b"220-a\r\nb\r\n220 c\r\n", [(220, "a\nb\nc")]),
        (b"220-a\r\n220-b\r\n 220 c\r\n221 d\r\n220 e\r\n", [(220, "a\n220-b\n 220 c\n221 d\ne")]),
        (b"220-a\r\n220\r\n", [(220, "a\n")]),
        (b"220-a\r\n2200 b\r\n220 c\r\n", [(220, "a\n2200 b\nc")]),
        (b"220 \xff\xfe\r\n", [(220, "\xff\xfe")]),
        (b"220 not ended", []),
        (b"220-not ended\r\n", []),
    ],
)
def test_replies(said: bytes, expected: list[tuple[int, str]]) -> None:
    """Replies are put together, wherever they are cut."""
    for size in (1, 2, 7, 1000):
        replies = Replies()
        found = [reply for start in range(0, len(said), size) for reply in replies.feed(said[start : start + size])]
        assert expected == [(reply.code, reply.text) for reply in found]
        assert replies.begun == (not said.endswith(b"\n") or not expected)


@pytest.mark.parametrize(
    "said",
    [
        b"hello\r\n",
        b"\r\n",
        b"220x\r\n",
        b"620 six\r\n",
        b"020 none\r\n",
        b"220-" + b"x" * 70_000,
        b"x" * 70_000,
        b"220-\r\n" + b"\r\n" * 1000,
        b"220 \r\n" * 101,
    ],
)
def test_no_replies(said: bytes) -> None:
    """What is none, or too much, is an error; and at no time is more kept than one reply may have."""
    with pytest.raises(ProtocolError):
        Replies().feed(said)


@pytest.mark.parametrize(("piece", "most"), [(b"220-a\n", 6006), (b"9" * 1000, 66_000)])
def test_bounded(piece: bytes, most: int) -> None:
    """A reply that never ends is given up after 1,000 lines or 64 KiB, however it comes."""
    replies, fed = Replies(), 0

    def feed() -> None:
        nonlocal fed
        while fed < 1_000_000:
            fed += len(piece)
            replies.feed(piece)

    with pytest.raises(ProtocolError):
        feed()
    assert fed <= most


@given(st.binary(max_size=200), st.integers(1, 50))
def test_anything(said: bytes, size: int) -> None:
    """Whatever comes is a reply, or waits for its end, or is a protocol error."""
    replies = Replies()
    try:
        for start in range(0, len(said), size):
            for reply in replies.feed(said[start : start + size]):
                assert 100 <= reply.code < 600
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (213, "12", 12),
        (213, " 12 ", 12),
        (213, "0", 0),
        (213, "-1", None),
        (213, "1" * 20, None),
        (213, "١", None),
        (213, "12 bytes", None),
        (550, "12", None),
    ],
)
def test_size(code: int, text: str, expected: int | None) -> None:
    """A size is what 213 says and nothing else."""
    assert expected == size_of(Reply(code, text))


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (213, "20211021123456", MODIFIED),
        (213, "20211021123456.789", MODIFIED),
        (213, "20211321123456", None),
        (213, "191021021123456", None),
        (213, "00000101000000", None),
        (213, "99991231235959", b"Fri, 31 Dec 9999 23:59:59 GMT"),
        (550, "20211021123456", None),
    ],
)
def test_modified(code: int, text: str, expected: bytes | None) -> None:
    """A time becomes a Last-Modified."""
    assert expected == modified_of(Reply(code, text))


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (229, "Entering (|||6446|)", 6446),
        (229, "(!!!1!)", 1),
        (227, "Entering (10,0,0,1,4,1).", 1025),
        (227, "10,0,0,1,255,255", 65535),
    ],
)
def test_port(code: int, text: str, expected: int) -> None:
    """A port is found in either answer."""
    assert expected == port_of(Reply(code, text))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (421, 503),
        (425, 503),
        (426, 503),
        (450, 503),
        (499, 503),
        (331, 401),
        (430, 401),
        (500, 501),
        (501, 400),
        (502, 501),
        (522, 403),
        (530, 401),
        (550, 404),
        (553, 403),
    ],
)
def test_statuses(code: int, status: int) -> None:
    """A refusal has the status that means the same; the server's words are not repeated."""
    plan = refused(Refusal("RETR", Reply(code, "secret words")))
    assert (status, f"RETR was answered with {code}") == (plan.code, plan.phrase)


@pytest.mark.parametrize(
    ("url", "origin", "path", "userinfo"),
    [
        ("ftp://h/a", ("ftp", "h", 21), b"a", None),
        ("ftps://h/a", ("ftps", "h", 21), b"a", None),
        ("FTP://H:2121/d/a", ("ftp", "h", 2121), b"d/a", None),
        ("ftp://u:p%40@[::1]/%2Fsrv/a", ("ftp", "::1", 21), b"/srv/a", ("u", "p@")),
        ("ftp://h/a%20b%25%3F%23%FF", ("ftp", "h", 21), b"a b%?#\xff", None),
        ("ftp://h/a;type=i", ("ftp", "h", 21), b"a", None),
        ("ftp://h/a;TYPE=A", ("ftp", "h", 21), b"a", None),
        ("ftp://h/a;type=", ("ftp", "h", 21), b"a;type=", None),
        ("ftp://h/a#part", ("ftp", "h", 21), b"a", None),
    ],
)
def test_target(url: str, origin: Any, path: bytes, userinfo: Any) -> None:
    """A URL says which server, which path there, and perhaps who asks."""
    target = Target.of(url)
    assert (origin, path, userinfo) == (target.origin, target.path, target.userinfo)
    assert "@" not in target.url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h/a;type=d",
        "ftp://h/a;type=x",
        "ftp://h/a?b",
        "ftp://h/a%0d%0aQUIT",
        "ftp://h/a%0A",
        "ftp://h/a%00",
        "ftp:///a",
        "ftp://h:99999/a",
    ],
)
def test_no_target(url: str) -> None:
    """What is not the URL of a file is refused."""
    with pytest.raises(SettingsError):
        Target.of(url)


@pytest.mark.parametrize("url", ["ftp://h", "ftp://h/", "ftp://h/d/", "ftp://h/d%2F", "ftp://h/;type=i"])
def test_directories(url: str) -> None:
    """A URL without a name at its end is of no file."""
    assert (False, True) == (Target.of(url).is_file, Target.of("ftp://h/f").is_file)


def planned(size: int | None, modified: bytes | None, method: bytes = b"GET", **headers: bytes) -> Plan:
    """Return the answer to a request with *headers*."""
    named = {name.replace("_", "-").encode(): [value] for name, value in headers.items()}
    return Plan.of(FTPRequest(method, b"ftp://h/f", Headers(named)), size, modified, 0.0)


@pytest.mark.parametrize(
    ("size", "modified", "headers", "expected"),
    [
        (10, MODIFIED, {}, (200, 0, 10, False)),
        (None, MODIFIED, {}, (200, 0, None, False)),
        (10, None, {"Range": b"bytes=4-"}, (206, 4, 6, False)),
        (10, MODIFIED, {"Range": b"bytes=4-", "If_Range": MODIFIED}, (206, 4, 6, False)),
        (10, MODIFIED, {"Range": b"bytes=4-", "If_Range": b'"tag"'}, (200, 0, 10, False)),
        (10, None, {"Range": b"bytes=4-", "If_Range": MODIFIED}, (200, 0, 10, False)),
        (None, None, {"Range": b"bytes=4-"}, (200, 0, None, False)),
        (10, None, {"Range": b"bytes=4-6"}, (206, 4, 3, True)),
        (10, None, {"Range": b"bytes=4-9"}, (206, 4, 6, False)),
        (10, None, {"Range": b"bytes=4-99"}, (206, 4, 6, False)),
        (10, None, {"Range": b"bytes=0-"}, (206, 0, 10, False)),
        (10, None, {"Range": b"bytes=6-4"}, (200, 0, 10, False)),
        (10, None, {"Range": b"bytes=-4"}, (200, 0, 10, False)),
        (10, None, {"Range": b"bytes=1-2,4-5"}, (200, 0, 10, False)),
        (10, MODIFIED, {"If_Modified_Since": b"Thu, 21 Oct 2021 12:34:55 GMT"}, (200, 0, 10, False)),
    ],
)
def test_plan(size: int | None, modified: bytes | None, headers: Any, expected: Any) -> None:
    """Ranges are answered where the size is known and the file the same."""
    plan = planned(size, modified, **headers)
    assert expected == (plan.code, plan.start, plan.length, plan.cut)
    assert plan.body


def test_plan_without_a_body() -> None:
    """HEAD, a file that has not changed, and a range behind the end need no data connection."""
    head = planned(10, MODIFIED, b"HEAD", Range=b"bytes=4-")
    assert (200, 0, (b"Content-Length", b"10")) == (head.code, head.length, head.pairs[-1])
    same = planned(10, MODIFIED, If_Modified_Since=MODIFIED)
    assert (304, (b"Last-Modified", MODIFIED)) == (same.code, same.pairs[-1])
    behind = planned(10, MODIFIED, Range=b"bytes=10-")
    assert (416, (b"Content-Range", b"bytes */10")) == (behind.code, behind.pairs[-2])
    assert [False] * 3 == [plan.body for plan in (head, same, behind)]


def ended(received: int, reason: Exception | None) -> Data:
    """Return a data connection that has ended, or not."""
    data = Data(None, None, lambda: None)
    data.received, data.reason = received, None if reason is None else Failure(reason)
    return data


GOOD, GONE, BROKEN = Reply(226, ""), Reply(550, ""), Reply(426, "")
DONE, RESET = ConnectionDone(), ConnectionLost()


@pytest.mark.parametrize(
    ("length", "received", "reason", "last", "silent", "patient", "expected"),
    [
        (10, 10, DONE, GOOD, False, True, "whole"),
        (10, 10, RESET, GOOD, False, True, "whole"),
        (None, 10, DONE, GOOD, False, True, "whole"),
        (None, 10, RESET, GOOD, False, True, Truncated),
        (10, 9, DONE, GOOD, False, True, Truncated),
        (10, 10, DONE, None, False, True, None),
        (10, 10, DONE, None, True, True, Truncated),
        (10, 10, None, GOOD, False, True, None),
        (10, 10, None, GOOD, True, False, None),
        (10, 5, None, None, False, True, None),
        (10, 5, None, BROKEN, False, True, None),
        (10, 5, None, BROKEN, False, False, Lost),
        (10, 5, DONE, BROKEN, False, True, Lost),
        (10, 5, DONE, GONE, False, True, NotFound),
        (10, 5, DONE, Reply(552, ""), False, True, HTTPStatusError),
        (10, 10, DONE, BROKEN, False, True, Lost),
    ],
)
def test_verdict(
    length: int | None,
    received: int,
    reason: Exception | None,
    last: Reply | None,
    silent: bool,
    patient: bool,
    expected: Any,
) -> None:
    """A transfer is whole when all bytes came and the server says so; else it is open, or broken."""
    plan, data = Plan(200, "OK", [], 0, length), ended(received, reason)
    found = verdict("ftp://h/f", plan, data, last, silent=silent, patient=patient)
    assert found == expected if expected in (None, "whole") else isinstance(found, expected)


def test_excess() -> None:
    """Too much of the rest means that it is not the rest; too much of the whole, that the size is wrong."""
    assert isinstance(excess("ftp://h/f", Plan(206, "", [], 4, 6), 10), ResumeRefused)
    assert isinstance(excess("ftp://h/f", Plan(200, "", [], 0, 6), 10), SizeMismatch)
