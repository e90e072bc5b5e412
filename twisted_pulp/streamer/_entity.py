"""What is known about a representation before its first byte."""

from __future__ import annotations

from base64 import b64encode
from email.utils import formatdate
from functools import cached_property

from attrs import frozen

__all__ = ["IMMUTABLE", "REVALIDATE", "Entity"]

#: Cache-Control of what can never change under its path (RFC 8246).
IMMUTABLE = "public, max-age=31536000, immutable"
#: Cache-Control of what a new version may replace: to be kept, and asked about each time.
REVALIDATE = "public, no-cache"

_LAST_DATE = 253402300799  # the last second of the year 9999, which has the last date of four digits


@frozen(kw_only=True)
class Entity:
    """
    What is known about a representation before its first byte.

    :ivar size: bytes; None while nobody knows.
    :ivar sha256: of the bytes in lower-case hex, or None.
    :ivar modified: seconds since the epoch, or None.
    :ivar type: the media type.
    :ivar tag: the upstream's ETag as `twisted_pulp.streamer._fields` let it through; used where *sha256* is None.
    :ivar cache_control: the value of Cache-Control, or None to send none.
    :ivar fields: further names and values to send, fit to be sent.
    """

    size: int | None
    sha256: str | None = None
    modified: float | None = None
    type: str = "application/octet-stream"
    tag: str | None = None
    cache_control: str | None = None
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def etag(self) -> str | None:
        """The entity tag: of the bytes, and so a strong one, where their digest is known."""
        return self.tag if self.sha256 is None else f'"{self.sha256}"'

    @property
    def second(self) -> int | None:
        """When it was modified, as a date of HTTP can say it."""
        return None if self.modified is None else min(max(int(self.modified), 0), _LAST_DATE)

    @cached_property
    def validators(self) -> tuple[tuple[bytes, bytes], ...]:
        """The headers that a 304 has too: they tell a cache what it has, and for how long."""
        pairs = [("ETag", self.etag), ("Cache-Control", self.cache_control)]
        if self.second is not None:
            pairs.append(("Last-Modified", formatdate(self.second, usegmt=True)))
        pairs += [(name, value) for name, value in self.fields if name.lower() in ("vary", "expires", "age")]
        return tuple((name.encode(), value.encode("latin-1")) for name, value in pairs if value is not None)

    @cached_property
    def metadata(self) -> tuple[tuple[bytes, bytes], ...]:
        """The headers of every answer that has the bytes, or some of them; Content-Type aside."""
        pairs = [
            (name.encode(), value.encode("latin-1"))
            for name, value in self.fields
            if name.lower() not in ("vary", "expires", "age")
        ]
        if self.size is not None:
            pairs.append((b"Accept-Ranges", b"bytes"))
        if self.sha256 is not None:  # RFC 9530; of the whole representation, whatever is sent of it
            pairs.append((b"Repr-Digest", b"sha-256=:" + b64encode(bytes.fromhex(self.sha256)) + b":"))
        return (*self.validators, *pairs)
