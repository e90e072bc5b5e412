"""What went wrong with a request (RFC 9457)."""

from __future__ import annotations

from attrs import frozen

__all__ = ["Fault", "Problem"]


@frozen(kw_only=True)
class Fault:
    """
    What is wrong with one part of a document.

    :ivar pointer: which part (RFC 6901); empty: the whole.
    :ivar detail: what it was, and what it may be.
    """

    pointer: str
    detail: str


@frozen(kw_only=True)
class Problem:
    """
    What went wrong with a request.

    :ivar type: which kind of problem, the same for all of a kind: `about:blank`, or `urn:pulpdownloader:` and a name.
    :ivar title: the kind in words.
    :ivar status: of the answer.
    :ivar detail: what went wrong this time.
    :ivar instance: the path of the request.
    :ivar errors: the parts of the request's document that are wrong.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: tuple[Fault, ...] = ()
