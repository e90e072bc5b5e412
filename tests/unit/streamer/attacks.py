"""Paths that attackers send to reach what they shall not."""

from __future__ import annotations

from itertools import product

_DOTS = (
    b"..",
    b".%2e",
    b"%2e.",
    b"%2e%2e",
    b"%2E%2E",
    b"%252e%252e",
    b"%25252e%25252e",
    b"..;",
    b"..;a=b",
    b"..%00",
    b".",
)
_SLASHES = (b"/", b"%2f", b"%5c", b"\\", b"%252f", b"%255c")

#: Upwards, in every mix of quotings, and what is malformed otherwise.
PATHS = (
    *(dots + slash + b"etc" + slash + b"passwd" for dots, slash in product(_DOTS, _SLASHES)),
    b"..",
    b"a/..",
    b"a%2f..%2f..%2fb",
    b"a\\..\\b",
    b"a%5c..%5cb",
    b"...",
    b"..%20",
    b"..%2e",
    b".%20.",
    b"%",
    b"%2",
    b"%zz",
    b"%u002e%u002e",
    b"%c0%ae%c0%ae",
    b"%c0%af",
    b"%e0%80%af",
    b"%f0%80%80%af",
    b"%fe",
    b"%ed%a0%80",
    b"\xc0\xae",
    b"\xff",
    b"%00",
    b"a%00.deb",
    b"a%0d%0aSet-Cookie:x",
    b"a%0a",
    b"a%09b",
    b"a%7f",
    b"a b",
    b"a#b",
    b"a?b",
    b"\x00",
    b"\r\n",
)
