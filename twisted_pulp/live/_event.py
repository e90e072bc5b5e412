"""Something that happened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import frozen

from twisted_pulp.unseen import escaped

__all__ = ["Event"]

_NAME = re.compile("[a-z][a-z0-9_.-]*").fullmatch
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


@frozen
class Event:
    """
    Something that happened.

    :ivar id: tells it from every other, of other processes too: ``EPOCH-NUMBER``.
    :ivar number: of the event; the next one's is one more.
    :ivar name: what it is about: "job", "item", "health".
    :ivar json: what there is to say, as a JSON object in one line.
    """

    id: str
    number: int
    name: str
    json: bytes

    @classmethod
    def of(cls, epoch: str, number: int, name: str, data: Mapping[str, object]) -> Event:
        """
        Return the event that *data* describes.

        :raises ValueError: when *name* is no word of a-z, 0-9, "_", "." and "-".
        :raises TypeError: when *data* is not what JSON can say.
        """
        if _NAME(name) is None:
            raise ValueError(f"no name of an event: {name!r}")
        return cls(f"{epoch}-{number}", number, name, escaped(_encode(data)))

    @property
    def data(self) -> dict[str, Any]:
        """What there is to say."""
        return _decode(self.json)

    @property
    def wire(self) -> bytes:
        """The event as a server sends it (HTML Living Standard, 9.2.6)."""
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (self.id.encode(), self.name.encode(), self.json)
