"""The broker of a daemon."""

from __future__ import annotations

from typing import Any

from twisted_pulp.jobs import IBroker, LocalBroker
from twisted_pulp.live import Health
from twisted_pulp.settings import Settings

__all__ = ["broker_of"]


def broker_of(reactor: Any, settings: Settings, health: Health) -> IBroker:
    """
    Return the broker that *settings* name; it connects by itself, now or later, and its health is told.

    :raises SettingsError: it cannot be.
    """
    if settings.broker in (None, "local"):
        local: IBroker = LocalBroker()
        return local
    from twisted_pulp.jobs import AMQPBroker

    def changed(reason: str | None) -> None:
        if reason is None:
            health.recover("broker")
        else:
            health.degrade("broker", reason)

    broker = AMQPBroker(reactor, settings.broker, changed=changed)
    broker.start()
    found: IBroker = broker
    return found
