"""The sync of one repository, whatever its content type is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from twisted_pulp.content._result import SyncResult

__all__ = ["synchronize"]


def synchronize(
    type: Any,
    repository: Any,
    *,
    force: bool = False,
    observe: Callable[[Any], object] | None = None,
    **fields: Any,
) -> Deferred[SyncResult]:
    """
    Let *repository* have what the upstream of its Remote has; another sync of the same repository is waited for.

    :param type: an `IContentType`, as `content_type` returns it.
    :param repository: its row.
    :param force: whether everything is looked at although nothing seems to have changed; default false.
    :param observe: called with a tuple of `ProgressReport` copies, twice a second at most; default None.
    :param fields: those of `Sync`: `context`, `catalog`, `storage`, `remote` with a `url`; others have defaults:
        `remote_id`, `policy`, `mirror`, `keep_going`, `tolerance`, `concurrency`, `budget`, `now`.
    :returns: a Deferred of what came of it; it fails with the first failure. To cancel it ends the sync and keeps what
        was downloaded.
    """
    raise NotImplementedError
