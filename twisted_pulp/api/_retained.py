"""Secrets that a remote must not take elsewhere: whoever sends it there has to say them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from twisted_pulp.settings import TLS, Remote

__all__ = ["retained"]


def retained(before: Remote, after: Remote, said: Mapping[str, Any]) -> list[str]:
    """
    Return the secrets of *before* that *after* would show to somebody else, or protect otherwise.

    :param said: the fields that were changed; secrets among them are known to who changes it.
    :returns: names of fields, with dots into parts.
    """
    found = []
    if _way(before) != _way(after):
        found += [
            name
            for name in ("password", "token", "netrc")
            if name not in said and getattr(before, name) and getattr(before, name) == getattr(after, name)
        ]
        known = {name.lower() for name in said.get("headers") or ()}
        if any(name.lower() not in known for name, _ in before.headers.items() & after.headers.items()):
            found.append("headers")
        key = before.tls.client_key or before.tls.client_cert
        if key and key in (after.tls.client_key, after.tls.client_cert) and not _named(said, "tls", "client_"):
            found.append("tls.client_key")
    one, other = before.proxy, after.proxy
    if one is not None and other is not None and one.password and one.password == other.password:
        ways = [(each.origin, _trust(each.tls)) for each in (one, other)]
        if ways[0] != ways[1] and not _named(said, "proxy", "password"):
            found.append("proxy.password")
    return found


def _named(said: Mapping[str, Any], part: str, name: str) -> bool:
    return any(each.startswith(name) for each in said.get(part) or ())


def _way(remote: Remote) -> tuple[object, ...]:
    """Return where the secrets of *remote* go, and how."""
    proxy = None if remote.proxy is None else (remote.proxy.origin, _trust(remote.proxy.tls))
    return remote.secret_origins, remote.auth, _trust(remote.tls), dict(remote.network.hosts), proxy


def _trust(tls: TLS) -> TLS:
    """Return *tls* without who we are."""
    return evolve(tls, client_cert=None, client_key=None, client_key_password=None)
