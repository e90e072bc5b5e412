"""What of new settings counts at once, and what after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from twisted_pulp.service._reload import FIXED, in_force
from twisted_pulp.settings import Log, Retention, ServiceLimits, Settings

#: What each reload lets count at once; see docs/daemon.md.
APPLIED = {
    *("ssrf", "remotes", "schedules", "log.format", "log.level"),
    *(
        f"limits.{name}"
        for name in (
            *("jobs", "downloads", "items", "body", "depth", "rate", "reserve", "queued", "retry_budget", "grace"),
            *("in_flight", "in_flight_files"),
            "attempts",
        )
    ),
    *(f"retention.{name}" for name in ("jobs", "failed", "count")),
}


def names(kind: Any, before: str = "") -> Iterator[str]:
    """Give the names of all settings."""
    tables = {"limits": ServiceLimits, "retention": Retention, "log": Log}
    for each in attrs.fields(kind):
        if each.name in tables and not before:
            yield from names(tables[each.name], f"{each.name}.")
        else:
            yield f"{before}{each.name}"


def test_all() -> None:
    """Of every setting it is known whether it needs a restart."""
    assert set(names(Settings)) == APPLIED | set(FIXED)
    assert not APPLIED & set(FIXED)


def test_in_force() -> None:
    """What needs a restart stays; everything else is new."""
    old = Settings(data="/old", limits=ServiceLimits(lease=7, jobs=1))
    new = Settings(data="/new", listen=("tcp:1",), limits=ServiceLimits(lease=8, jobs=2, connections=3))
    found = in_force(old, new)
    assert ("/old", old.listen, 7, 2, 100) == (
        found.data,
        found.listen,
        found.limits.lease,
        found.limits.jobs,
        found.limits.connections,
    )
