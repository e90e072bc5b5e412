"""The header fields of any response."""

from __future__ import annotations

from typing import Any

from twisted.web.iweb import IResponse

from twisted_pulp.headers import Fields

__all__ = ["fields_of"]


def fields_of(response: IResponse) -> Fields:
    """Return the headers of *response*, an `IResponse` of whatever agent."""
    given: Any = getattr(response, "fields", None)
    if isinstance(given, Fields):
        return given
    return Fields([(name, value) for name, values in response.headers.getAllRawHeaders() for value in values])
