"""`pulpdownloader serve`: the daemon in the foreground."""

from __future__ import annotations

import gc
import os
from typing import Any

from twisted_pulp.cli._place import Place, storage_of

__all__ = ["serve"]


def serve(
    place: Place,
    *,
    config: str | None,
    endpoints: tuple[str, ...],
    roles: tuple[str, ...],
    workers: int,
    log_format: str | None,
    quiet: bool,
) -> int:
    """Serve until a signal comes, which is no failure."""
    from twisted_pulp.service import Config, run_daemon

    given: dict[str, Any] = {
        "data": place.given and os.path.abspath(place.given),
        "database": place.database,
        "storage": place.storage and storage_of(place.storage),
        "listen": endpoints,
        "roles": roles,
        "workers": workers,
        "log": log_format or ("json" if place.json else None),
    }
    gc.freeze()
    gc.enable()
    return run_daemon(Config(path=config, given={name: value for name, value in given.items() if value}), quiet=quiet)
