"""A proxy on the way to an upstream."""

from __future__ import annotations

import re
from typing import Any

from attrs import field, frozen

from twisted_pulp.errors import SettingsError, shown
from twisted_pulp.settings._fields import one_line, part, texts
from twisted_pulp.settings._tls import TLS
from twisted_pulp.urls import Origin, origin_of, without_userinfo

__all__ = ["Proxy"]

#: Scheme -> the port where its URL has none.
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
#: Bytes of a SOCKS user name or password (RFC 1929 section 2).
_MOST = 255
_PORT_0 = re.compile(r".*:0+/*").fullmatch


@frozen(kw_only=True)
class Proxy:
    """
    A proxy. Only it gets its credentials; https goes through a tunnel, always.

    :ivar url: ``http://HOST:PORT``, ``https://...`` (TLS to the proxy itself), ``socks5://...`` (names are looked up
        here) or ``socks5h://...`` (by the proxy). Without a port: 80, 443, 1080. A user name and password in it are
        taken out.
    :ivar username: for the proxy; default None.
    :ivar password: default None; never shown.
    :ivar tls: of the connection to an https proxy.
    :ivar no_proxy: hosts that are reached without it: names, which stand for what is below them too, addresses,
        networks as 10.0.0.0/8, each perhaps with :PORT, or * for all; default none. Names are not looked up for it.
    :ivar origin: scheme, host and port of `url`.
    """

    url: str = field(repr=shown)
    username: str | None = one_line(secret=True)
    password: str | None = one_line(secret=True)
    tls: TLS = part(TLS)
    no_proxy: tuple[str, ...] = texts()
    origin: Origin = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        url, pair, origin = _taken_apart(self.url)
        object.__setattr__(self, "url", url)
        object.__setattr__(self, "origin", origin)
        if pair is not None and self.username is None:
            object.__setattr__(self, "username", pair[0])
            object.__setattr__(self, "password", pair[1])
        if self.username is None and self.password is not None:
            raise SettingsError("password", "***", "given together with a username")
        self._check_credentials()
        if self.no_proxy:
            from twisted_pulp.settings._no_proxy import NoProxy

            NoProxy(self.no_proxy)

    def _check_credentials(self) -> None:
        given = {"username": self.username, "password": self.password}
        if self.username is not None and self.origin[0].startswith("socks"):
            for name, value in given.items():
                if value is None or not value.isascii() or not 0 < len(value) <= _MOST:
                    raise SettingsError(name, "***", f"1 to {_MOST} characters of ASCII (RFC 1929), with both given")
        if self.username is not None and ":" in self.username and not self.origin[0].startswith("socks"):
            raise SettingsError("username", "***", "text without a colon (RFC 7617 section 2)")


def _taken_apart(given: Any) -> tuple[str, tuple[str, str] | None, Origin]:
    """Return the URL without user name and password, these, and the origin."""
    scheme, colon, rest = given.partition("://") if isinstance(given, str) else ("", "", "")
    scheme, words = scheme.lower(), f"a URL of {', '.join(_PORTS)}, with a host and perhaps a port, and nothing more"
    if not colon or scheme not in _PORTS:
        raise SettingsError("url", shown(str(given)), words)
    try:
        url, pair = without_userinfo(f"{scheme}://{rest}")
        _, host, port = origin_of(url)
    except SettingsError as error:
        raise SettingsError("url", shown(given), words) from error
    place = url.partition("://")[2]
    if any(mark in place.rstrip("/") for mark in "/?#") or _PORT_0(place):
        raise SettingsError("url", shown(given), words)
    return url, pair, (scheme, host, port or _PORTS[scheme])
