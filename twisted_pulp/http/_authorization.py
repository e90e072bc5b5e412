"""The header that says who asks, as agents pass it on and replace it."""

from __future__ import annotations

from base64 import b64decode, b64encode

from twisted.web.http_headers import Headers

__all__ = ["authorized", "basic", "carried", "origin_part", "pair_of"]

_BASIC = b"basic "


def basic(username: str, password: str | None) -> str:
    """Return the value of Authorization for *username* and *password* (RFC 7617)."""
    return "Basic " + b64encode(f"{username}:{password or ''}".encode()).decode("ascii")


def carried(uri: bytes, headers: Headers | None) -> bytes | None:
    """
    Return the Authorization of a request, "" where there is none.

    None: leave the request alone. It is none of http, or whoever made it knows better than a user name.
    """
    if uri[:4].lower() != b"http":
        return None
    values = None if headers is None else headers.getRawHeaders(b"authorization")
    if not values:
        return b""
    return values[0] if values[0][:6].lower() == _BASIC else None


def pair_of(authorization: bytes) -> tuple[bytes, bytes] | None:
    """Return the user name and password of *authorization*, which is basic; None when it holds none."""
    try:
        user, colon, password = b64decode(authorization[6:], validate=True).partition(b":")
    except ValueError:
        return None
    return (user, password) if colon else None


def authorized(headers: Headers | None, authorization: bytes | None) -> Headers:
    """Return *headers* with *authorization* instead of what they have; None is none."""
    ours = Headers() if headers is None else headers.copy()
    if authorization is None:
        ours.removeHeader(b"Authorization")
    else:
        ours.setRawHeaders(b"Authorization", [authorization])
    return ours


def origin_part(uri: bytes) -> bytes:
    """Return the part of *uri* that its origin is in."""
    authority = uri.partition(b"://")[2]
    for mark in (b"/", b"?", b"#"):
        authority = authority.partition(mark)[0]
    return (uri.partition(b"://")[0] + b"://" + authority).lower()
