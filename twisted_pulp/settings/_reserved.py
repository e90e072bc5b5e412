"""Addresses that are not of the public internet, in whatever way they are written."""

from __future__ import annotations

import re
import socket
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

__all__ = ["Address", "IPNetwork", "address_of", "inner_of", "is_number", "is_reserved", "network_of"]

Address = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

# RFC 6890 and its registries. What the standard library knows comes on top: it learns of new ones.
_IPV4 = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' own
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; clouds tell their secrets at 169.254.169.254
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocols' own
        "192.0.2.0/24",  # examples
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",  # measurements
        "198.51.100.0/24",  # examples
        "203.0.113.0/24",  # examples
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# Nothing outside is the address of a host on the internet (RFC 4291 section 2.4): ::1, fc00::/7, fe80::/10, ff00::/8,
# 100::/64, 5f00::/16, IPv4 in ::/96 and 64:ff9b:1::/48 are none.
_UNICAST = IPv6Network("2000::/3")
_IPV6 = tuple(
    IPv6Network(each)
    for each in (
        "2001::/23",  # protocols' own, Teredo among them
        "2001:db8::/32",  # examples
        "2002::/16",  # 6to4: any IPv4 address is inside
        "3ffe::/16",  # was given back
        "3fff::/20",  # examples
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
# The interface identifiers of ISATAP (RFC 5214 section 6.1).
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
_number = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)").fullmatch


def address_of(host: str) -> Address | None:
    """
    Return the address that *host* is, without looking anything up; None when it is a name.

    The system's resolver takes 127.1, 0x7f000001, 0177.0.0.1 and 2130706433 for addresses, so they are.
    """
    bare = host.partition("%")[0].rstrip(".")
    try:
        return ip_address(bare)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(bare)) if is_number(bare) else None
    except OSError:
        return None


def is_number(host: str) -> bool:
    """Return whether *host* ends as IPv4 addresses do, and no name may (RFC 3696 section 2)."""
    return _number(host.rstrip(".")) is not None


def network_of(text: str) -> IPNetwork | None:
    """Return the network that *text* is, or the network of the one address that it is; else None."""
    try:
        return ip_network(text)
    except ValueError:
        return None


def inner_of(address: Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses inside *address*."""
    if isinstance(address, IPv4Address):
        return ()
    found = [each for each in (address.sixtofour, *(address.teredo or ())) if each is not None]
    last = int(address) & 0xFFFFFFFF
    if (
        address in _MAPPED
        or address in _NAT64
        or (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
        or not int(address) >> 32
    ):
        found.append(IPv4Address(last))
    return tuple(found)


@lru_cache(maxsize=1024)
def is_reserved(address: Address) -> bool:
    """Return whether *address*, or one inside it, is not of the public internet."""
    if isinstance(address, IPv4Address):
        return not address.is_global or any(address in each for each in _IPV4)
    if any(is_reserved(each) for each in inner_of(address)):
        return True
    if address in _MAPPED or address in _NAT64:  # the address is what is inside
        return False
    return address not in _UNICAST or not address.is_global or any(address in each for each in _IPV6)
