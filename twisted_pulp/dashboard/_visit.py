"""A request of somebody's, and what it is answered with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from attrs import define, field, frozen

from twisted_pulp.dashboard._sessions import Session
from twisted_pulp.live import Running

__all__ = ["Elsewhere", "Page", "Route", "Unfit", "Visit"]

#: Rows of one page of a list.
LIMIT = 50


@frozen
class Page:
    """A page to show: its template, and what stands in it."""

    template: str
    values: Mapping[str, Any] = field(factory=dict)
    status: int = 200


@frozen
class Elsewhere:
    """Where to go on; *said* is shown there."""

    path: str
    said: str | None = None
    good: bool = True


class Unfit(Exception):
    """
    A request cannot be answered as it was meant.

    :ivar status: of the answer.
    :ivar reason: for the person.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@frozen
class Route:
    """
    What answers which requests.

    :ivar method: "GET" or "POST".
    :ivar pattern: segments of the path; "*" is any, and given to *answer*.
    :ivar answer: called with the visit and those segments.
    :ivar scope: what the token must allow.
    """

    method: str
    pattern: tuple[str, ...]
    answer: Callable[..., Any]
    scope: str = "read"

    def match(self, method: str, segments: Sequence[str]) -> list[str] | None:
        """Return the segments to be given, or None when it answers something else."""
        if method != self.method or len(segments) != len(self.pattern):
            return None
        pairs = list(zip(self.pattern, segments, strict=True))
        if any(wanted not in ("*", given) for wanted, given in pairs):
            return None
        return [given for wanted, given in pairs if wanted == "*"]


@define(eq=False)
class Visit:
    """
    A request of somebody who is logged in.

    :ivar path: of the request, without its query.
    :ivar fields: what stands in its query or form.
    """

    running: Running
    session: Session
    path: str
    fields: Mapping[str, str]

    @property
    def catalog(self) -> Any:
        """What is known."""
        return self.running.data.catalog

    def text(self, name: str) -> str:
        """Return a field, "" when it is missing."""
        return self.fields.get(name, "").strip()

    def number(self, name: str) -> int | None:
        """
        Return a field that is a whole number, None when it is missing.

        :raises Unfit: when it is none.
        """
        given = self.text(name)
        if not given:
            return None
        digits = given.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
            raise Unfit(400, f"{name} is a whole number")
        return int(given)

    def link(self, **changes: object) -> str:
        """Return this page with other fields in its query; None leaves one out."""
        given = {**{name: value for name, value in self.fields.items() if value}, **changes}
        query = urlencode({name: value for name, value in given.items() if value is not None})
        return f"{self.path}?{query}" if query else self.path
