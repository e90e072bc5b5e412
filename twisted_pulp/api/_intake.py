"""The body of a request, taken in while it arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from twisted_pulp.api._depth import Depth
from twisted_pulp.api._problems import Refused

__all__ = ["Dropped", "Whole", "decoded"]

#: Bytes of a body that nobody wants, that are read and thrown away.
_DROPPED = 64 << 10


class Whole:
    """
    A body that is held whole, as long as it is neither too large nor nested too deep.

    :param size: bytes that it may have.
    :param depth: how deep it may be nested.
    :param refuse: called with a `Refused` when it is more; nothing is held any more then.
    """

    def __init__(self, size: int, depth: int, refuse: Callable[[Refused], object]) -> None:
        self._size, self._depth, self._refuse = size, depth, refuse
        self._parts: list[bytes] = []
        self._held = 0
        self._nesting = Depth()

    def write(self, data: bytes) -> None:
        """Take in the next piece."""
        self._held += len(data)
        if self._held > self._size:
            self._end(Refused(status=413, detail=f"The body has more than {self._size} bytes."))
            return
        self._nesting.feed(data)
        if self._nesting.most > self._depth:
            words = f"The document is nested more than {self._depth} deep."
            self._end(Refused(status=422, code="invalid_document", detail=words))
            return
        self._parts.append(data)

    def _end(self, refused: Refused) -> None:
        self._parts = []
        self._refuse(refused)

    def read(self) -> bytes:
        """Return the body."""
        body, self._parts = b"".join(self._parts), []
        return body

    def lost(self) -> None:
        """Note that the rest of it will not come."""
        self._parts = []


class Dropped:
    """
    A body that nobody wants.

    :param refuse: called with a `Refused` when there is much of it.
    :param why: the refusal that it is.
    """

    def __init__(self, refuse: Callable[[Refused], object], why: Refused) -> None:
        self._refuse, self._why = refuse, why
        self._seen = 0

    def write(self, data: bytes) -> None:
        """Throw the next piece away."""
        self._seen += len(data)
        if self._seen > _DROPPED:
            self._refuse(self._why)

    def lost(self) -> None:
        """Do nothing: there is nothing."""


def decoded(body: bytes) -> Any:
    """
    Return what *body*, JSON, says.

    :raises Refused: when it is none.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(status=400, code="malformed_json", detail=f"The body is no JSON: {error}") from error
