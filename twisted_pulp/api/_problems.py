"""What clients are told when something cannot be done (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from attrs import field, frozen

from twisted_pulp.documents import Fault, InvalidDocument, Problem
from twisted_pulp.errors import (
    CatalogFull,
    CatalogLocked,
    CatalogUnavailable,
    KeyRefused,
    NameTaken,
    NotInCatalog,
    PathError,
    PulpError,
    SettingsError,
    StorageFull,
    StorageUnavailable,
)

__all__ = ["Refused", "refused_by", "wrong"]


@frozen(kw_only=True)
class Refused(Exception):
    """
    A request that is not done.

    :ivar status: of the answer.
    :ivar code: which kind of problem; None: what the status says.
    :ivar detail: a sentence for a person.
    :ivar faults: what is wrong with the document.
    :ivar headers: of the answer.
    """

    status: int
    detail: str
    code: str | None = None
    faults: tuple[Fault, ...] = ()
    headers: Mapping[str, str] = field(factory=dict)

    def problem(self, instance: str) -> Problem:
        """Return what is answered; *instance* is the path of the request."""
        if self.code is None:
            kind, title = "about:blank", _phrase(self.status)
        else:
            kind, title = f"urn:pulpdownloader:{self.code}", self.code.replace("_", " ").capitalize()
        return Problem(
            type=kind, title=title, status=self.status, detail=self.detail, instance=instance, errors=self.faults
        )


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase


#: Class of an error -> status, code.
_KNOWN: tuple[tuple[type[BaseException], int, str], ...] = (
    (NotInCatalog, 404, "not_found"),
    (NameTaken, 409, "name_taken"),
    (StorageFull, 507, "storage_full"),
    (CatalogFull, 507, "storage_full"),
    (CatalogLocked, 503, "catalog_busy"),
    (CatalogUnavailable, 503, "catalog_unavailable"),
    (StorageUnavailable, 503, "storage_unavailable"),
    (KeyRefused, 503, "key_refused"),
)
#: The same of errors of the jobs, by name: they are imported by whoever needs them.
_JOBS = {
    "JobNotFound": (404, "not_found"),
    "JobStateError": (409, "wrong_state"),
    "KeyConflict": (422, "key_conflict"),
    "BrokerUnavailable": (503, "broker_unavailable"),
    "QueueFull": (503, "queue_full"),
    "Stopping": (503, "stopping"),
    "BlockedAddress": (403, "blocked_address"),
}


def refused_by(error: BaseException) -> Refused | None:
    """Return what a client is told of *error*; None: it is our own mistake, and only the log says more."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, InvalidDocument):
        return Refused(status=422, code="invalid_document", detail=str(error), faults=error.faults)
    if isinstance(error, SettingsError):
        fault = Fault(pointer="/" + error.field.replace(".", "/"), detail=f"must be {error.allowed}")
        return Refused(status=422, code="invalid_document", detail=str(error), faults=(fault,))
    if isinstance(error, PathError):
        return Refused(status=422, code="invalid_document", detail=str(error))
    for kind, status, code in _KNOWN:
        if isinstance(error, kind):
            return Refused(status=status, code=code, detail=str(error), headers=_later(status))
    known = _JOBS.get(type(error).__name__) if isinstance(error, PulpError) else None
    if known is not None:
        return Refused(status=known[0], code=known[1], detail=str(error), headers=_later(known[0]))
    return None


def _later(status: int) -> dict[str, str]:
    return {"Retry-After": "10"} if status == 503 else {}


def wrong(pointer: str, detail: str, **more: Any) -> Refused:
    """Return the refusal of a document for one of its parts."""
    fault = Fault(pointer=pointer, detail=detail)
    words = f"{pointer}: {detail}" if pointer else detail
    return Refused(status=422, code="invalid_document", detail=words, faults=(fault,), **more)
