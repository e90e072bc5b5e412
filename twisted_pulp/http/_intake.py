"""What comes in for one Remote: metered, and noted for the pace of its host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure
from twisted.web._newclient import ResponseDone

from twisted_pulp.errors import ConnectionLost, ConnectionRefused, DownloadTimeout, PulpError, SettingsError
from twisted_pulp.http._errors import translated
from twisted_pulp.http._paces import Paces
from twisted_pulp.http._rates import HostRates, Rates, host_of
from twisted_pulp.urls import origin_of

__all__ = ["Intake"]

_TOO_MUCH = frozenset({429, 503})
_OVERLOADED = (ConnectionLost, ConnectionRefused, DownloadTimeout)


class Intake:
    """
    Look at the responses and errors of one Remote's requests.

    :param rates: all there are.
    :param remote: those of the Remote.
    :param paces: of the hosts; None: this Remote's requests do not change them.
    """

    def __init__(self, rates: Rates, remote: HostRates, paces: Paces | None) -> None:
        self._rates, self._remote, self._paces = rates, remote, paces

    def answered(self, response: Any, uri: bytes) -> Any:
        """Return *response*, or one around it whose body is metered."""
        paces = self._paces
        if paces is not None and (paces.lowered or response.code in _TOO_MUCH):
            self._note(uri, response.code not in _TOO_MUCH)
        if not self._rates.metered and getattr(response, "whole", False):
            return response
        from twisted_pulp.http._meter import MeteredResponse

        return MeteredResponse(response, self._rates, self._remote, host_of(uri), self._ended(uri))

    def failed(self, error: PulpError, uri: bytes) -> None:
        """Note *error*, that a request has failed with."""
        paces = self._paces
        if paces is not None:
            overloaded = isinstance(error, _OVERLOADED)
            if overloaded or paces.lowered:
                self._note(uri, False if overloaded else None)

    def _ended(self, uri: bytes) -> Callable[[Failure], None] | None:
        if self._paces is None:
            return None

        def ended(reason: Failure) -> None:
            if not reason.check(ResponseDone) and isinstance(translated(reason, uri.decode("latin-1")), _OVERLOADED):
                self._note(uri, False)

        return ended

    def _note(self, uri: bytes, well: bool | None) -> None:
        try:
            scheme, host, port = origin_of(uri.decode("latin-1"))
        except SettingsError:
            return
        if self._paces is not None and scheme in ("http", "https"):
            self._paces.note((host, port), well)
