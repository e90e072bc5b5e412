"""How hosts are found and connected to."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen

from twisted_pulp.errors import SettingsError
from twisted_pulp.settings._addresses import canonical, server_of, version_of
from twisted_pulp.settings._fields import choice, flag, one_line, texts
from twisted_pulp.settings._values import number
from twisted_pulp.urls import origin_of, prepared

__all__ = ["Network"]

# Bytes that fit a socket's address, with the NUL at its end (unix(7)).
_PATH = 107 if sys.platform == "linux" else 103
_ADDRESS = "an IPv4 or IPv6 address"


def _hosts(given: Mapping[str, str | tuple[str, ...] | list[str]]) -> dict[str, tuple[str, ...]]:
    return {_name(name): _addresses(name, listed) for name, listed in given.items()}


def _name(name: str) -> str:
    """Return *name* as URLs have it: in lower case, encoded (IDNA), without the dot at its end."""
    try:
        host = origin_of(prepared(f"http://{name}"))[1].rstrip(".")
    except SettingsError:
        host = ""
    if not host or version_of(host) is not None or ":" in name or "/" in name:
        raise SettingsError(f"hosts.{name}", name, "the name of a host")
    return host


def _addresses(name: str, given: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    listed = (given,) if isinstance(given, str) else tuple(given)
    if not listed or any(version_of(each) is None for each in listed):
        raise SettingsError(f"hosts.{name}", given, f"{_ADDRESS}, or several")
    return tuple(canonical(each) for each in listed)


# Its hash is part of every key of a connection.
@frozen(kw_only=True, cache_hash=True)
class Network:
    """
    How hosts are found and connected to.

    :ivar hosts: name -> address or addresses, instead of asking a name server; default none.
    :ivar dns_servers: addresses of name servers, each perhaps with :PORT (an IPv6 address then stands in brackets),
        instead of the system's, its hosts file and its search list; default none.
    :ivar dns_cache: whether what `dns_servers` said is kept; default true.
    :ivar dns_ttl_min: seconds that an answer is kept at least; default 0. That there is no address is kept for 10 s at
        most, whatever is set here.
    :ivar dns_ttl_max: seconds that an answer is kept at most; default 3600.
    :ivar family: "any" (default), or only addresses of "ipv4" or "ipv6".
    :ivar bind_address: our own end of each connection, an address of this machine; default None: the system chooses.
        Only addresses of its family are connected to.
    :ivar unix_socket: absolute path of the socket that all connections go to, whatever the URL's host; default None.
    :ivar guarded: whether the policy of the Context (`AddressPolicy`) says where connections may go, at each redirect
        too; only http and https are spoken then, and no `unix_socket` is used. For URLs of people who are not trusted.
        Default false.
    """

    hosts: Mapping[str, tuple[str, ...]] = field(factory=dict, converter=_hosts, hash=False)
    dns_servers: tuple[str, ...] = texts()
    dns_cache: bool = flag(True)
    dns_ttl_min: float = number(0.0, zero=True)
    dns_ttl_max: float = number(3600.0, zero=True)
    family: Literal["any", "ipv4", "ipv6"] = choice("any", "any", "ipv4", "ipv6")
    bind_address: str | None = one_line()
    unix_socket: str | None = one_line()
    guarded: bool = flag(False)

    def __attrs_post_init__(self) -> None:
        for each in self.dns_servers:
            if server_of(each) is None:
                raise SettingsError("dns_servers", each, f"{_ADDRESS}, perhaps with :PORT ([ADDRESS]:PORT for IPv6)")
        if self.dns_ttl_max < self.dns_ttl_min:
            raise SettingsError("dns_ttl_max", self.dns_ttl_max, f"at least dns_ttl_min, {self.dns_ttl_min:g}")
        self._check_ends()
        if self.unix_socket is not None:
            self._check_socket(self.unix_socket)

    def _check_ends(self) -> None:
        bound = self.bind_address
        if bound is not None:
            own = version_of(bound)
            if own is None:
                raise SettingsError("bind_address", bound, f"{_ADDRESS}, or none")
            if self.family != "any" and self.family != f"ipv{own}":
                raise SettingsError("bind_address", bound, f"an address of the family, {self.family}, or none")
        version = self.version
        for name, listed in self.hosts.items():
            if version is not None and version not in map(version_of, listed):
                setting = "family" if bound is None else "bind_address"
                raise SettingsError(f"hosts.{name}", listed, f"an IPv{version} address too, as {setting} asks for")

    def _check_socket(self, path: str) -> None:
        if not os.path.isabs(path) or len(os.fsencode(path)) > _PATH:
            raise SettingsError("unix_socket", path, f"an absolute path of {_PATH} bytes at most, or none")
        given: dict[str, Any] = {"bind_address": self.bind_address, "hosts": self.hosts}
        given |= {"dns_servers": self.dns_servers, "family": None if self.family == "any" else self.family}
        for name, value in given.items():
            if value:
                raise SettingsError(name, value, "left out where there is a unix_socket")

    @property
    def version(self) -> Literal[4, 6] | None:
        """The only version of IP whose addresses may be connected to, or None."""
        if self.family != "any":
            return 4 if self.family == "ipv4" else 6
        return None if self.bind_address is None else version_of(self.bind_address)

    @property
    def name_servers(self) -> tuple[tuple[str, int], ...]:
        """Address and port of each of `dns_servers`."""
        return tuple(filter(None, map(server_of, self.dns_servers)))
