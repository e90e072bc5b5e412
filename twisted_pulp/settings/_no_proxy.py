"""Hosts that are reached without a proxy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from twisted_pulp.errors import SettingsError
from twisted_pulp.urls import origin_of

__all__ = ["NoProxy"]

_Rule = tuple[IPv4Network | IPv6Network | str, int | None]
_ALL = ""
_bracketed = re.compile(r"\A\[([^][]*)\](/[0-9]+)?\Z")


class NoProxy:
    """
    The hosts that a no_proxy says.

    :param entries: names, which stand for what is below them too, addresses, networks, each perhaps with :PORT, or *.
    :raises SettingsError: when one is none of these.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._rules = [_rule(entry) for entry in entries]

    @classmethod
    def readable(cls, entries: Iterable[str]) -> NoProxy:
        """Return that of those *entries* that can be read: other programs' words may be among them."""
        made = cls(())
        for entry in entries:
            try:
                made._rules.append(_rule(entry))
            except SettingsError:
                continue
        return made

    def covers(self, host: str, port: int) -> bool:
        """Return whether *host*, a name in lower case or an address, is one of them at *port*."""
        host = host.rstrip(".")
        address = _address(host)
        return any(
            (at is None or at == port) and (_named(what, host) if isinstance(what, str) else address in what)
            for what, at in self._rules
            if isinstance(what, str) or address is not None
        )


def _named(name: str, host: str) -> bool:
    return name == _ALL or host == name or host.endswith("." + name)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(_bracketed.sub(r"\1\2", text), strict=False)
    except ValueError:
        return None


def _rule(entry: str) -> _Rule:
    text = entry.strip().lower()
    network = _network(text)  # before a port is looked for: an IPv6 address has colons too
    if network is not None:
        return network, None
    port, (place, colon, digits) = None, text.rpartition(":")
    if colon:
        if not digits.isascii() or not digits.isdigit() or not 0 < int(digits[:6]) < 65536:
            raise _refused(entry)
        text, port = place, int(digits)
    if text == "*":
        return _ALL, port
    network = _network(text)
    return (_name(text, entry) if network is None else network), port


def _name(text: str, entry: str) -> str:
    name = text.removeprefix("*").strip(".")
    try:
        host = origin_of(f"http://{name}")[1]
    except SettingsError as error:
        raise _refused(entry) from error
    if "/" in name or "?" in name or "#" in name or "@" in name or ":" in host:
        raise _refused(entry)
    return host


def _refused(entry: str) -> SettingsError:
    return SettingsError("no_proxy", entry, "names, addresses or networks, each perhaps with :PORT, or *")
