"""What a Range asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.streamer._ranges import MOST, Ranges, Span, ranges_of


@pytest.mark.parametrize(
    ("header", "spans"),
    [
        (b"bytes=0-0", [(0, 0)]),
        (b"bytes=10-19", [(10, 19)]),
        (b"bytes=90-", [(90, 99)]),
        (b"bytes=90-1000", [(90, 99)]),
        (b"bytes=-5", [(95, 99)]),
        (b"bytes=-500", [(0, 99)]),
        (b"bytes=-" + b"9" * 40, [(0, 99)]),
        (b"bytes=0-" + b"9" * 40, [(0, 99)]),
        (b"BYTES=1-2", [(1, 2)]),
        (b" bytes= 1 - 2 ,\t5-6 ", [(1, 2), (5, 6)]),
        (b"bytes=5-6,1-2", [(5, 6), (1, 2)]),
        (b"bytes=0-49,25-74", [(0, 49), (25, 74)]),
        (b"bytes=200-300,1-2", [(1, 2)]),
        (b"bytes=9-5,1-2,-0", [(1, 2)]),
    ],
)
def test_spans(header: bytes, spans: list[tuple[int, int]]) -> None:
    """Every form gives its bytes, clipped to what there is, in the order asked for."""
    assert tuple(Span(*each) for each in spans) == ranges_of(header, 100)


@pytest.mark.parametrize(
    "header",
    [
        *(b"bytes=100-", b"bytes=100-200", b"bytes=-0", b"bytes=9-5", b"bytes= ", b"bytes=-", b"bytes=a-b", b"bytes=1"),
        *(b"bytes=0-1,", b"bytes=,", b"bytes=0-1,x", b"bytes=--5", b"bytes=1-2-3", b"bytes=" + b"9" * 5000 + b"-"),
    ],
)
def test_unsatisfiable(header: bytes) -> None:
    """What names nothing that is there, or is no range, gets none of it."""
    assert Ranges.UNSATISFIABLE is ranges_of(header, 100)


@pytest.mark.parametrize("header", [None, b"", b"lines=1-2", b"bytes", b"bytes=", b"bytes 1-2", b"bytes=0-60,30-99"])
def test_whole(header: bytes | None) -> None:
    """Without a range, with one of another unit, or with more than everything, everything is sent."""
    assert Ranges.WHOLE is ranges_of(header, 100)


def test_many() -> None:
    """As many ranges as are allowed are sent, and with one more everything is."""
    each = [f"{n}-{n}" for n in range(MOST + 1)]
    found = ranges_of(("bytes=" + ",".join(each[:-1])).encode(), 1000)
    assert not isinstance(found, Ranges)
    assert (MOST, Ranges.WHOLE) == (len(found), ranges_of(("bytes=" + ",".join(each)).encode(), 1000))


def test_empty() -> None:
    """Of what is empty all can be asked for, and nothing behind it."""
    assert Ranges.WHOLE is ranges_of(b"bytes=0-", 0)
    assert Ranges.WHOLE is ranges_of(b"bytes=-5", 0)
    assert Ranges.UNSATISFIABLE is ranges_of(b"bytes=1-", 0)


_LIKELY = st.text("bytes=0123456789-, \t").map(str.encode) | st.from_regex(
    rb"bytes=(?:[0-9]{0,4}-[0-9]{0,4})(?:,[0-9]{0,4}-[0-9]{0,4}){0,40}", fullmatch=True
)


@given(st.binary() | _LIKELY, st.integers(0, 5000))
def test_laws(header: bytes, size: int) -> None:
    """Whatever is sent is there, and is never more than everything is."""
    found = ranges_of(header, size)
    if not isinstance(found, Ranges):
        assert 0 < len(found) <= MOST
        assert all(span.last is not None and 0 <= span.first <= span.last < size for span in found)
        assert sum(span.length() for span in found) <= size


@given(st.lists(st.tuples(st.integers(0, 999), st.integers(0, 999)), min_size=1, max_size=MOST))
def test_read(pairs: list[tuple[int, int]]) -> None:
    """Ranges that fit come back as they were written."""
    spans = tuple(Span(min(pair), max(pair)) for pair in pairs)
    header = "bytes=" + ", ".join(f"{first}-{last}" for first, last in spans)
    fits = sum(span.length() for span in spans) <= 1000
    assert (spans if fits else Ranges.WHOLE) == ranges_of(header.encode(), 1000)
