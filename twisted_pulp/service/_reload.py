"""New settings for a daemon that runs."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.logger import Logger

from twisted_pulp.live import Running
from twisted_pulp.service._log import DaemonLog
from twisted_pulp.service._redaction import secrets_of
from twisted_pulp.settings import Settings

__all__ = ["FIXED", "in_force", "reload"]

_log = Logger()
#: What a daemon is made of from its start on; of tables, their parts.
FIXED = (
    "data",
    "listen",
    "content_listen",
    "metrics_listen",
    "database",
    "storage",
    "broker",
    "key",
    "workers",
    "roles",
    "limits.connections",
    "limits.per_host",
    "limits.lease",
    "limits.database",
    "retention.cached",
    "retention.events",
)


def reload(running: Running, new: Settings, log: DaemonLog | None) -> None:
    """Let *new* be in force, as far as that can be without a restart; what cannot is said."""
    old = running.settings
    running.settings = now = in_force(old, new)
    if log is not None:
        log.format, log.level = new.log.format, new.log.level
        log.redaction.replace(secrets_of(new))
    running.context.rates.bytes_per_second = new.limits.rate
    running.context.traffic.budget = new.limits.retry_budget
    if running.jobs is not None:
        running.jobs.quota.limit = new.limits.queued
    for name in FIXED:
        if value_of(now, name) != value_of(new, name):
            _log.warn("{setting} has changed; that counts after a restart", setting=name)
    changed = [each.name for each in attrs.fields(Settings) if getattr(now, each.name) != getattr(old, each.name)]
    _log.info("read the settings again: {changed}", changed=", ".join(changed) or "nothing has changed")


def in_force(old: Settings, new: Settings) -> Settings:
    """Return *new* with what needs a restart as it is in *old*."""
    kept: dict[str, Any] = {}
    for name in FIXED:
        table, _, part = name.partition(".")
        if part:
            kept[table] = attrs.evolve(kept.get(table, getattr(new, table)), **{part: value_of(old, name)})
        else:
            kept[name] = value_of(old, name)
    return attrs.evolve(new, **kept)


def value_of(settings: Settings, name: str) -> Any:
    """Return the setting *name*, such as ``limits.jobs``."""
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value
