"""Where the URLs of people who are not trusted may lead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from twisted_pulp.errors import BlockedAddress, SettingsError, shown
from twisted_pulp.settings._addresses import server_of
from twisted_pulp.settings._fields import flag, texts
from twisted_pulp.settings._proxy import Proxy
from twisted_pulp.settings._reserved import (
    Address,
    IPNetwork,
    address_of,
    inner_of,
    is_number,
    is_reserved,
    network_of,
)
from twisted_pulp.urls import Origin, origin_of, prepared, without_userinfo

if TYPE_CHECKING:
    from twisted_pulp.settings._remote import Remote

__all__ = ["AddressPolicy"]

_SCHEMES = ("http", "https")
_PORTS = (80, 443, 8080, 8443)
#: Where other services listen that would take a request for their own language, or tell much; only what names one of
#: these ports by itself opens it.
_SERVICES = frozenset(
    {21, 22, 23, 25, 53, 110, 111, 135, 139, 143, 389, 445, 465, 514, 587, 636, 873, 993, 995, 1433, 1521, 2049, 2375}
    | {2376, 2379, 2380, 3306, 3389, 4222, 5432, 5433, 5672, 5900, 5984, 6000, 6379, 9200, 9300, 10250, 11211, 27017}
)
_DNS = 53


def _tuple(value: Any) -> tuple[int | str, ...]:
    return (value,) if isinstance(value, int | str) else tuple(value)


def _shown(urls: tuple[str, ...]) -> str:
    return repr(tuple(map(shown, urls)))


@frozen(kw_only=True, cache_hash=True)
class AddressPolicy:
    """
    Where connections of guarded Remotes may go: to the public internet, and nowhere else. See `Network.guarded`.

    What is refused by default: every network that is private, link-local, loopback, multicast or reserved, in IPv4 and
    in IPv6, and IPv6 addresses with such an IPv4 address inside. A name with one such address is refused, whatever
    others it has.

    :ivar allow: networks, or single addresses, that may be reached although they are refused by default, and at any
        port but those of well-known other services (mail, databases, ...); default none.
    :ivar deny: networks that are refused, even where `allow` has them; default none.
    :ivar ports: those that may be reached, and ranges as "1024-65535"; default 80, 443, 8080 and 8443. A range does not
        cover the ports of well-known other services; to name one by itself does.
    :ivar proxy_resolves: whether the names of hosts behind a proxy are looked up, and their addresses judged, by the
        proxy alone; default false: a proxy is told of addresses that were looked up and judged here.
    :ivar proxies: URLs of proxies that may be used wherever they are; default none. Those of the environment may be.
    :ivar dns_servers: addresses of name servers, as `Network.dns_servers`, that may be used wherever they are; default
        none. The system's may be.
    :ivar own: what is never reached, even where `allow` has it: ADDRESS:PORT, [ADDRESS]:PORT, or ``*:PORT`` for that
        port of this machine and of every address in `allow`; default none. The daemon adds what it listens at.
    """

    allow: tuple[str, ...] = texts()
    deny: tuple[str, ...] = texts()
    ports: tuple[int | str, ...] = field(default=_PORTS, converter=_tuple)
    proxy_resolves: bool = flag(False)
    proxies: tuple[str, ...] = texts(_shown)
    dns_servers: tuple[str, ...] = texts()
    own: tuple[str, ...] = texts()
    _allowed: tuple[IPNetwork, ...] = field(init=False, repr=False, eq=False)
    _denied: tuple[IPNetwork, ...] = field(init=False, repr=False, eq=False)
    _ranges: tuple[range, ...] = field(init=False, repr=False, eq=False)
    _proxies: frozenset[Origin] = field(init=False, repr=False, eq=False)
    _servers: frozenset[tuple[str, int]] = field(init=False, repr=False, eq=False)
    _own: frozenset[tuple[Address | None, int]] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        read = {
            "_allowed": tuple(_network("allow", each) for each in self.allow),
            "_denied": tuple(_network("deny", each) for each in self.deny),
            "_ranges": tuple(_range(each) for each in self.ports),
            "_proxies": frozenset(_proxy(each) for each in self.proxies),
            "_servers": frozenset(_server(each) for each in self.dns_servers),
            "_own": frozenset(_place(each) for each in self.own),
        }
        for name, value in read.items():
            object.__setattr__(self, name, value)

    def literal(self, url: str) -> BlockedAddress | None:
        """
        Return the error that a request for *url* would end with, as far as it can be told without looking names up.

        What is no URL, or could be read in two ways, is refused too.
        """
        try:
            bare = without_userinfo(prepared(url))[0]
            scheme, host, port = origin_of(bare)
        except SettingsError as error:
            return BlockedAddress(url, f"the URL cannot be judged: it must be {error.allowed}")
        if scheme not in _SCHEMES:
            return BlockedAddress(url, f"the policy allows http and https, not {scheme}")
        why = self.refusal(host, port)
        return None if why is None else BlockedAddress(url, why)

    def refusal(self, host: str, port: int) -> str | None:
        """Return why no connection to *host*, a name or an address, may be made, as far as its looks tell, or None."""
        address = address_of(host)
        if address is not None:
            return self.blocked(address, port)
        name = host.lower().rstrip(".")
        if is_number(name) or not name:
            return f"{host} is neither a name nor an address"
        if name == "localhost" or name.endswith((".localhost", ".localdomain")):
            return self.blocked("127.0.0.1", port)
        # Its addresses may be in `allow`, and with them the port.
        return _not_at(port) if not self._opens(port, bool(self.allow)) else None

    def blocked(self, address: Address | str, port: int, *, here: bool = False) -> str | None:
        """
        Return why no connection to *address* may be made, or None.

        :param here: whether it is known to be one of this machine's; default false.
        """
        ip = address_of(address) if isinstance(address, str) else address
        if ip is None:
            return f"{address} is no address"
        all_of_it = (ip, *inner_of(ip))
        allowed = any(each in network for each in self._reached(ip) for network in self._allowed)
        if (is_reserved(ip) and not allowed) or any(each in network for each in all_of_it for network in self._denied):
            return f"the policy blocks the address {address}"
        if any((each, port) in self._own for each in all_of_it) or ((allowed or here) and (None, port) in self._own):
            return f"the policy blocks the address {address} at port {port}"
        return None if self._opens(port, allowed) else _not_at(port)

    def _reached(self, ip: Address) -> tuple[Address, ...]:
        # Through NAT64, 10.0.0.1 would be somebody else's: it is not what `allow` means (RFC 6052 section 3.1).
        mapped = getattr(ip, "ipv4_mapped", None)
        return (ip,) if mapped is None else (ip, mapped)

    def _opens(self, port: int, allowed: bool) -> bool:
        if port in _SERVICES:
            return any(len(each) == 1 and port in each for each in self._ranges)
        return port > 0 and (allowed or any(port in each for each in self._ranges))

    def trusts_proxy(self, origin: Origin) -> bool:
        """Return whether the proxy of *origin* may be used wherever it is."""
        return origin in self._proxies

    def name_server_blocked(self, address: str, port: int) -> str | None:
        """Return why the name server at *address* may not be asked, or None."""
        if (address, port) in self._servers:
            return None
        ip = address_of(address)
        if port != _DNS or ip is None or self.blocked(ip, _PORTS[0]) is not None:
            return f"the policy blocks the name server {address} at port {port}"
        return None

    def trusting(self, remotes: Iterable[Remote]) -> AddressPolicy:
        """Return a policy like it, under which the proxies and name servers of the operator's *remotes* may be used."""
        proxies, servers = dict.fromkeys(self.proxies), dict.fromkeys(self.dns_servers)
        for remote in remotes:
            if not remote.network.guarded:
                servers |= dict.fromkeys(remote.network.dns_servers)
                proxies |= dict.fromkeys(() if remote.proxy is None else (remote.proxy.url,))
        return evolve(self, proxies=tuple(proxies), dns_servers=tuple(servers))


def _not_at(port: int) -> str:
    return f"the policy does not allow port {port}"


def _network(name: str, text: object) -> IPNetwork:
    network = network_of(text) if isinstance(text, str) else None
    if network is None:
        raise SettingsError(name, text, "networks as 10.0.0.0/8 or fd00::/8, without bits behind the prefix")
    return network


def _range(given: object) -> range:
    first, dash, last = str(given).partition("-")
    ends = (first, last if dash else first)
    if isinstance(given, bool) or not all(each.isascii() and each.isdigit() and len(each) < 6 for each in ends):
        raise SettingsError("ports", given, "ports from 1 to 65535, or ranges as 1024-65535")
    found = range(int(ends[0]), int(ends[1]) + 1)
    if not found or found[0] < 1 or found[-1] > 65535:
        raise SettingsError("ports", given, "ports from 1 to 65535, or ranges as 1024-65535")
    return found


def _proxy(url: str) -> Origin:
    try:
        return Proxy(url=url).origin
    except SettingsError as error:
        raise SettingsError("proxies", shown(str(url)), error.allowed) from error


def _server(text: str) -> tuple[str, int]:
    server = server_of(text)
    if server is None:
        raise SettingsError("dns_servers", text, "addresses, each perhaps with :PORT ([ADDRESS]:PORT for IPv6)")
    return server


def _place(text: str) -> tuple[Address | None, int]:
    host, _, port = text.rpartition(":")
    address = None if host == "*" else address_of(host.removeprefix("[").removesuffix("]"))
    if (address is None and host != "*") or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise SettingsError("own", text, "ADDRESS:PORT, [ADDRESS]:PORT or *:PORT")
    return address, int(port)
