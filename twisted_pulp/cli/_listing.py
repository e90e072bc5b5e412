"""A list that may be longer than memory: each item is written when it is known."""

from __future__ import annotations

from typing import Any

from attrs import define, field

from twisted_pulp.cli._streams import Stream

__all__ = ["Listing"]


@define(eq=False)
class Listing:
    """
    Lines, or one JSON document that is a list.

    :ivar json: whether it is that.
    """

    _out: Stream
    json: bool
    _begun: bool = field(init=False, default=False)

    def add(self, document: Any, words: str) -> None:
        """Write an item: *document*, or else *words*."""
        if not self.json:
            self._out.line(words)
            return
        self._out.document(document, ",\n" if self._begun else "[", "")
        self._begun = True

    def end(self) -> None:
        """Write the end, also of a list that is empty, or not whole."""
        if self.json:
            self._out.raw("]\n" if self._begun else "[]\n")
