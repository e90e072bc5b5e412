"""Where URLs of people who are not trusted may not lead: to the daemon itself."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import attrs

from twisted_pulp.settings import AddressPolicy, Settings

__all__ = ["policy_of"]

_POSTGRESQL = 5432


def policy_of(settings: Settings, ports: Iterable[int]) -> AddressPolicy:
    """
    Return the policy of *settings*, which refuses what the daemon listens at, its *ports*, and its database too.

    The proxies and name servers of the settings' own remotes may be used, also in jobs for other people's URLs.
    """
    own = {f"*:{port}" for port in ports}
    if settings.database is not None and settings.database.startswith("postgresql"):
        own.add(f"*:{urlsplit(settings.database).port or _POSTGRESQL}")
    policy = settings.ssrf.trusting(settings.remotes.values())
    return attrs.evolve(policy, own=(*policy.own, *sorted(own)))
