"""Headers of an upstream that its clients may see."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache

from attrs import frozen

from twisted_pulp.headers import is_field_value
from twisted_pulp.streamer._conditions import date_of

__all__ = ["ALLOWED", "Forwarded", "forwarded"]

#: In lower case, what may be passed on; everything else is between the upstream and us.
ALLOWED = frozenset(
    {
        "age",
        "cache-control",
        "content-encoding",
        "content-language",
        "content-type",
        "etag",
        "expires",
        "last-modified",
        "vary",
        "x-pypi-last-serial",
    }
)

# A value longer than this says nothing that a client needs.
_LONGEST = 4096
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"').fullmatch
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = rf'[ \t]*;[ \t]*(?:{_WORD}=(?:{_WORD}|"[^"\\\x00-\x08\x0a-\x1f\x7f]*"))?'
_TYPE = re.compile(rf"{_WORD}/{_WORD}(?:{_PARAMETER})*").fullmatch


@frozen(kw_only=True)
class Forwarded:
    """
    What an upstream's headers come to.

    :ivar type: the media type, or None when there is none that is well-formed.
    :ivar tag: its ETag, or None.
    :ivar modified: seconds since the epoch, or None.
    :ivar cache_control: its Cache-Control, or None.
    :ivar fields: the others that may be passed on, each once, values of repeated ones joined.
    """

    type: str | None = None
    tag: str | None = None
    modified: float | None = None
    cache_control: str | None = None
    fields: tuple[tuple[str, str], ...] = ()


def forwarded(pairs: Iterable[tuple[bytes, bytes]], allowed: frozenset[str] = ALLOWED) -> Forwarded:
    """
    Return what may be passed on of *pairs*, the names and values of a response.

    Never passed on is what is not in *allowed*, what the response's Connection names, and what would not be one line.

    :param allowed: names in lower case.
    """
    return _forwarded(tuple(pairs), allowed)


# Of one response it is asked for more than once: for its client, and for those who come later.
@lru_cache(maxsize=64)
def _forwarded(pairs: tuple[tuple[bytes, bytes], ...], allowed: frozenset[str]) -> Forwarded:
    found: dict[str, list[str]] = {}
    dropped: set[str] = set()
    for raw, content in pairs:
        name, value = raw.decode("latin-1").lower(), content.decode("latin-1").strip(" \t")
        if name == "connection":
            dropped |= {each.strip(" \t").lower() for each in value.split(",")}
        elif name in allowed:
            found.setdefault(name, []).append(value)
    joined = {name: ", ".join(values) for name, values in found.items() if name not in dropped}
    kept = {name: value for name, value in joined.items() if is_field_value(value) and 0 < len(value) <= _LONGEST}
    kind, tag = kept.pop("content-type", ""), kept.pop("etag", "")
    modified, expires = kept.pop("last-modified", ""), kept.get("expires")
    if expires is not None and date_of(expires.encode("latin-1")) is None:
        kept["expires"] = formatdate(0, usegmt=True)  # RFC 9111 section 5.3: no date is one in the past
    if not kept.get("age", "0").isdecimal():
        del kept["age"]
    return Forwarded(
        type=kind if _TYPE(kind) else None,
        tag=tag if _ETAG(tag) else None,
        modified=date_of(modified.encode("latin-1")),
        cache_control=kept.pop("cache-control", None),
        fields=tuple(("-".join(part.capitalize() for part in name.split("-")), kept[name]) for name in sorted(kept)),
    )
