"""Where URLs of people who are not trusted may not lead: to the daemon itself."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import attrs

from twisted_pulp.settings import AddressPolicy, Settings

__all__ = ["policy_of"]

#: Scheme -> port.
_ENGINES = {"postgresql": 5432, "amqp": 5672, "amqps": 5671}


def policy_of(settings: Settings, ports: Iterable[int]) -> AddressPolicy:
    """
    Return the policy of *settings*, which refuses the daemon's own *ports*, and those of its database and broker.

    The proxies and name servers of the settings' own remotes may be used, also in jobs for other people's URLs.
    """
    own = {f"*:{port}" for port in ports}
    for url in filter(None, (settings.database, settings.broker)):
        parts = urlsplit(url)
        if parts.scheme in _ENGINES:
            own.add(f"*:{parts.port or _ENGINES[parts.scheme]}")
    policy = settings.ssrf.trusting(settings.remotes.values())
    return attrs.evolve(policy, own=(*policy.own, *sorted(own)))
