"""New settings for a daemon that runs."""

from __future__ import annotations

import attrs
from twisted.logger import Logger

from twisted_pulp.live import Running
from twisted_pulp.service._log import DaemonLog
from twisted_pulp.service._redaction import secrets_of
from twisted_pulp.settings import Settings

__all__ = ["reload"]

_log = Logger()
#: What a daemon is made of from its start on.
_FIXED = (
    "data",
    "listen",
    "content_listen",
    "metrics_listen",
    "database",
    "storage",
    "broker",
    "roles",
)


def reload(running: Running, new: Settings, log: DaemonLog | None) -> None:
    """Let *new* be in force, as far as that can be without a restart; what cannot is said."""
    old = running.settings
    fixed = {name: getattr(old, name) for name in _FIXED}
    later = [name for name, value in fixed.items() if getattr(new, name) != value]
    if new.log.format != old.log.format and log is not None:
        log.format = new.log.format
    running.settings = attrs.evolve(new, **fixed)
    if log is not None:
        log.level = new.log.level
        log.redaction.replace(secrets_of(new))
    running.context.rates.bytes_per_second = new.limits.rate
    running.context.traffic.budget = new.limits.retry_budget
    for name in later:
        _log.warn("{setting} has changed; that counts after a restart", setting=name)
    changed = [each.name for each in attrs.fields(Settings) if getattr(new, each.name) != getattr(old, each.name)]
    _log.info("read the settings again: {changed}", changed=", ".join(changed) or "nothing has changed")
