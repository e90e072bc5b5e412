"""Addresses as people write them."""

from __future__ import annotations

import socket
from typing import Literal

__all__ = ["canonical", "server_of", "version_of"]

_DNS = 53
_FAMILIES: dict[int, socket.AddressFamily] = {4: socket.AF_INET, 6: socket.AF_INET6}


def version_of(text: object) -> Literal[4, 6] | None:
    """Return 4 or 6 when *text* is an address of that version of IP, perhaps with a zone (fe80::1%eth0); or None."""
    if not isinstance(text, str):
        return None
    address, percent, zone = text.partition("%")
    if not percent and _is(socket.AF_INET, address):
        return 4
    return 6 if bool(percent) == bool(zone) and _is(socket.AF_INET6, address) else None


def _is(family: socket.AddressFamily, text: str) -> bool:
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):
        return False
    return True


def canonical(address: str) -> str:
    """Return *address*, which is one, in its shortest form."""
    bare, percent, zone = address.partition("%")
    family = _FAMILIES[version_of(address) or 0]
    return socket.inet_ntop(family, socket.inet_pton(family, bare)) + percent + zone


def server_of(text: object) -> tuple[str, int] | None:
    """Return the address and port of a name server that *text* is: ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT; or None."""
    if not isinstance(text, str):
        return None
    if version_of(text) is not None:
        return canonical(text), _DNS
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    bracketed = host.startswith("[") and host.endswith("]")
    address = host[1:-1] if bracketed else host
    right = version_of(address) == (6 if bracketed else 4)
    if not right or (colon and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536)):
        return None
    return canonical(address), int(port) if colon else _DNS
