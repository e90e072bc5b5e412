"""Which of several forms of a page a client wants: the one thing of its headers that the upstream may hear."""

from __future__ import annotations

import re

from twisted_pulp.streamer._conditions import Lookup

__all__ = ["TYPES", "accept_of", "negotiated"]

#: Media types between which clients choose; every other wish is no wish.
TYPES = ("application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.v1+html")

_LONGEST = 1000
_WEIGHT = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)").fullmatch


def negotiated(header: Lookup) -> str:
    """
    Return the one of `TYPES` that a request asks for by its name, and likes best; "" when it is none.

    :param header: gives the values of the request's headers.
    """
    value = b",".join(header(b"Accept") or ())
    if len(value) > _LONGEST:
        return ""
    weights: dict[str, float] = {}
    for each in value.decode("latin-1").lower().split(","):
        name, *parameters = (part.strip(" \t") for part in each.split(";"))
        weights.setdefault(name, _weight(parameters))
    best = max(TYPES, key=lambda name: weights.get(name, 0.0))
    # Whoever likes plain pages better, such as a browser, gets what the upstream gives to everybody.
    return best if weights.get(best, 0.0) > weights.get("text/html", 0.0) else ""


def _weight(parameters: list[str]) -> float:
    for each in parameters:
        name, _, value = each.partition("=")
        if name.rstrip(" \t") == "q":
            value = value.lstrip(" \t")
            return float(value) if _WEIGHT(value) else 0.0
    return 1.0


def accept_of(kind: str) -> str:
    """Return the Accept with which the upstream is asked for *kind*, as `negotiated` has found it."""
    return f"{kind}, */*;q=0.1" if kind else "*/*"
