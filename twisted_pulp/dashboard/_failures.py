"""What the errors of the library mean for somebody who looks at a page."""

from __future__ import annotations

from twisted_pulp import errors

__all__ = ["status_of"]


def status_of(error: errors.PulpError) -> int:
    """Return the status of an answer that says *error*."""
    for names, status in _STATUS:
        if any(isinstance(error, getattr(errors, name, ())) for name in names):
            return status
    return 500


#: The first that fits.
_STATUS = (
    (("NotInCatalog", "JobNotFound"), 404),
    (("JobStateError", "NameTaken", "KeyConflict"), 409),
    (("BlockedAddress",), 403),
    (("SettingsError",), 422),
    (("StorageFull", "CatalogFull"), 507),
    (("QueueFull", "CatalogError", "StorageError"), 503),
)
