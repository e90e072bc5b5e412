"""Several ranges in one body."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP

from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.streamer._multipart import content_range, new_boundary, pieces_of
from twisted_pulp.streamer._ranges import Span

_SPANS = st.lists(
    st.tuples(st.integers(0, 99), st.integers(0, 99)).map(lambda pair: Span(min(pair), max(pair))),
    min_size=2,
    max_size=9,
)


@given(st.binary(min_size=100, max_size=100), _SPANS)
def test_read(data: bytes, spans: list[Span]) -> None:
    """A parser of MIME finds each part with its type, its place and its bytes."""
    boundary = new_boundary()
    body = b"".join(
        data[piece.first : piece.last + 1] if isinstance(piece, Span) and piece.last is not None else bytes(piece)  # type: ignore[arg-type]
        for piece in pieces_of(spans, 100, b"text/plain", boundary)
    )
    parts = body.split(b"\r\n--" + boundary)
    assert (len(spans) + 1, b"--\r\n") == (len(parts), parts[-1])
    assert parts[0].startswith(b"--" + boundary + b"\r\n")
    for span, part in zip(spans, [parts[0][len(boundary) + 2 :], *parts[1:-1]], strict=True):
        head, _, content = part[2:].partition(b"\r\n\r\n")
        fields = BytesParser(policy=HTTP).parsebytes(head, headersonly=True)
        assert ["text/plain", content_range(span, 100).decode()] == fields.values()
        assert span.last is not None
        assert data[span.first : span.last + 1] == content


def test_boundaries() -> None:
    """No two bodies have the same boundary."""
    assert new_boundary() != new_boundary()
