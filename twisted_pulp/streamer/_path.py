"""
The path of a request: decoded once, and strictly.

It is a key, and never a path of a file. Whatever could mean another one to somebody behind us is none: what does not
decode to Unicode, dots that lead upwards however they are quoted, characters that no name has.
"""

from __future__ import annotations

import re
from itertools import takewhile
from urllib.parse import unquote_to_bytes

from attrs import frozen

__all__ = ["LONGEST", "RequestPath", "path_of"]

#: Bytes of the longest path, with its query; names of files end at 255, paths of systems at 4,096.
LONGEST = 8192
# What may stand in a path as it is (RFC 3986 section 3.3), and what clients nonetheless send as it is.
_SEGMENT = re.compile(rb"(?:[!$&-.0-;=@A-Z_a-z~\[\]^`{|}\x80-\xff\"<>]|%[0-9A-Fa-f]{2})*").fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]").search
_QUERY = re.compile(rb"(?:[!\"$&-~\x80-\xff]|%[0-9A-Fa-f]{2})*").fullmatch
# What most paths are: nothing in them can mean anything else.
_PLAIN = re.compile(rb"(?:[0-9A-Za-z_~-][0-9A-Za-z_.~-]*+/?)++").fullmatch
# So often something quoted may have been quoted again before it is looked at no more.
_DEEPEST = 4


@frozen
class RequestPath:
    """
    A path, below the resource that answers it.

    :ivar quoted: its segments as the client wrote them; the last one is empty where it ends with a slash.
    :ivar names: the same, decoded.
    :ivar query: as the client wrote it, without the question mark; None where there is none.
    """

    quoted: tuple[str, ...]
    names: tuple[str, ...]
    query: str | None = None

    def below(self, depth: int) -> RequestPath:
        """Return what follows the first *depth* segments."""
        return RequestPath(self.quoted[depth:], self.names[depth:], self.query)

    @property
    def plain(self) -> str:
        """The decoded path up to the first segment that hides a slash, or is empty."""
        return "/".join(takewhile(lambda name: name and "/" not in name, self.names))

    @property
    def text(self) -> str | None:
        """The decoded path as the catalog knows it; None where a segment hides a slash, or is empty in the middle."""
        if "" in self.names[:-1] or any("/" in name for name in self.names):
            return None
        return "/".join(self.names)

    @property
    def directory(self) -> bool:
        """Whether it ends with a slash, or is nothing but that."""
        return bool(self.names) and self.names[-1] == ""

    @property
    def reference(self) -> str:
        """What is put behind a URL that ends with a slash: quoted as it came, the query too."""
        path = "/".join(self.quoted)
        return path if self.query is None else f"{path}?{self.query}"


def path_of(raw: bytes, query: bytes | None = None) -> RequestPath | None:
    """
    Return the path that *raw*, without the slash before it, is; None when it is none that anything could have.

    :param query: what stood behind the question mark.
    """
    if len(raw) + len(query or b"") > LONGEST or (query is not None and _QUERY(query) is None):
        return None
    if query is None and _PLAIN(raw) is not None:
        plain = tuple(raw.decode("ascii").split("/"))
        return RequestPath(plain, plain)
    quoted = raw.split(b"/")
    names = [_decoded(segment) for segment in quoted]
    if None in names:
        return None
    written = tuple(_written(segment) for segment in quoted)
    return RequestPath(written, tuple(map(str, names)), None if query is None else _written(query))


def _written(raw: bytes) -> str:
    """Return *raw* in ASCII; what a client has not quoted is quoted by whoever sends it on."""
    return raw.decode("utf-8", "replace")


def _decoded(segment: bytes) -> str | None:
    if _SEGMENT(segment) is None:
        return None
    try:
        name = (unquote_to_bytes(segment) if b"%" in segment else segment).decode("utf-8")
    except UnicodeDecodeError:
        return None
    if _CONTROL(name) or _leads_elsewhere(name):
        return None
    return name


def _leads_elsewhere(name: str) -> bool:
    """Return whether somebody who decodes *name* once more, or reads a backslash as a slash, would go upwards."""
    for _ in range(_DEEPEST):
        parts = re.split(r"[/\\]", name) if "/" in name or "\\" in name else (name,)
        if any(part[:1] == "." and not part.partition(";")[0].strip(". ") for part in parts):
            return True
        if "%" not in name:
            return False
        before, name = name, unquote_to_bytes(name).decode("utf-8", "replace")
        if name == before:
            return False
    return True
