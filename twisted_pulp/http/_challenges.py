"""What a server wants to be told before it answers: the challenges of a 401."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct
from twisted.web.iweb import IResponse

from twisted_pulp.http._fields import fields_of

__all__ = ["Challenge", "challenges_of", "read_challenges"]

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_END = r"(?=[ \t]*(?:,|\Z))"
_space = re.compile(r"[ \t,]*+").match
# Values without quotes are taken as they come: many servers forget them around URLs.
_parameter = re.compile(rf'({_NAME})[ \t]*+=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]++)){_END}', re.S).match
_scheme = re.compile(rf"({_NAME})(?:[ \t]++([A-Za-z0-9._~+/-]++=*+){_END})?(?=[ \t,]|\Z)").match
_escape = re.compile(r"\\(.)", re.S)


class Challenge(Struct, frozen=True):
    """
    One way in that a server offers (RFC 9110 section 11.3).

    :ivar scheme: in lower case.
    :ivar parameters: name in lower case -> value as it came, decoded as Latin-1.
    """

    scheme: str
    parameters: Mapping[str, str]


def challenges_of(response: IResponse) -> list[Challenge]:
    """Return what *response*, a 401, asks for."""
    lines = fields_of(response).every(b"www-authenticate")
    return [each for line in lines for each in read_challenges(line.decode("latin-1"))]


def read_challenges(text: str) -> list[Challenge]:
    """Return the challenges in *text*, a value of WWW-Authenticate; what cannot be read ends it."""
    found: list[Challenge] = []
    at = _space(text).end()  # type: ignore[union-attr]  # it matches nothing too
    while at < len(text):
        match = _parameter(text, at) if found else None
        if match is not None:
            name, quoted, plain = match.groups()
            value = plain if quoted is None else _escape.sub(r"\1", quoted)
            found[-1].parameters.setdefault(name.lower(), value)  # type: ignore[attr-defined]
        else:
            match = _scheme(text, at)
            if match is None:
                break
            found.append(Challenge(match[1].lower(), {}))
        at = _space(text, match.end()).end()  # type: ignore[union-attr]
    return found
