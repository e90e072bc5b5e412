"""ftp:// and ftps:// as an agent."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.errors import SettingsError, shown
from twisted_pulp.http import Cap, ConnectionPool, Watch
from twisted_pulp.http._dial import Dialer
from twisted_pulp.schemes._ftp_pairs import Pairs
from twisted_pulp.schemes._ftp_request import FTPRequest, Plan, Target
from twisted_pulp.schemes._ftp_response import FTPResponse
from twisted_pulp.schemes._ftp_session import FTPSession
from twisted_pulp.schemes._ftp_talk import Login
from twisted_pulp.settings import Network, Timeouts
from twisted_pulp.urls import Origin

__all__ = ["FTPAgent"]

_MANY = 1000


class _Endpoint:
    """
    How sessions on one server are made, for one login.

    :ivar key: equal for endpoints whose sessions may stand in for each other.
    :ivar cap: those of the Remote and of sessions, which need a second connection each.
    """

    def __init__(self, agent: FTPAgent, origin: Origin, login: Login) -> None:
        scheme, self.host, self.port = origin
        trust = agent.trust(*origin) if scheme == "ftps" else None
        self.creator = None if trust is None else trust.creatorForNetloc(self.host.encode("ascii"), self.port)
        self.login = login
        self.timeouts, self.dialer, self.watch = agent.timeouts, agent.dialer, agent.watch
        self.second, self.now = agent.pairs.second, agent.now
        self.key = (*origin, login, agent.network, trust)
        self.host_key: object = (self.host, self.port)
        self.cap = agent.caps

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Return a Deferred of a session; it logs in with its first request."""
        return Deferred.fromCoroutine(self.dialer.dial(self.host, self.port, factory))

    def kind(self, quiescent: Callable[[Any], object], lost: Callable[[Any], object], _: object) -> FTPSession:
        """Return a new session."""
        return FTPSession(self, quiescent, lost)


@implementer(IAgent)
class FTPAgent:
    """
    Answer GET and HEAD for ftp:// and ftps:// URLs as a web server would: ranges, Last-Modified, 404 for 550.

    Sessions are kept in the pool, which counts them for their host, and both their connections over all.

    :param pairs: counts the connections for data; one for all agents of a pool.
    :param dialer: connects to hosts, and to where the data is: the same host, whatever the server says.
    :param now: seconds since the epoch.
    :param trust: gives the `Trust` for an origin's scheme, host and port.
    :param proxies: `Proxies` of the Remote, or None.
    :param login: the Remote's user name and password, each or None.
    :param origins: that get them; where there are none, every server does.
    :param cap: the Remote's cap on connections, or None.
    """

    def __init__(
        self,
        pool: ConnectionPool,
        pairs: Pairs,
        dialer: Dialer,
        watch: Watch,
        now: Callable[[], float],
        trust: Callable[[str, str, int], Any],
        timeouts: Timeouts,
        network: Network,
        proxies: Any,
        login: tuple[str | None, str | None],
        origins: frozenset[Origin],
        cap: Cap | None,
    ) -> None:
        self.pool, self.pairs, self.dialer, self.watch, self.now = pool, pairs, dialer, watch, now
        self.trust, self.timeouts, self.network = trust, timeouts, network
        self.caps = (pairs.cap,) if cap is None else (cap, pairs.cap)
        self._proxies, self._login, self._origins = proxies, login, origins
        self._endpoints: dict[tuple[Origin, Login], _Endpoint] = {}

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Make a request; fails with `SettingsError` when *uri* is not that of a file."""
        headers = Headers() if headers is None else headers
        if method not in (b"GET", b"HEAD"):
            refusal = Plan(405, "only GET and HEAD", [(b"Allow", b"GET, HEAD"), (b"Content-Length", b"0")])
            return succeed(FTPResponse(FTPRequest(method, uri, headers), refusal))
        try:
            target = Target.of(uri.decode("latin-1"))
            if not target.is_file and method == b"GET":
                raise SettingsError("url", shown(target.url), "the URL of a file, not of a directory")
            self._check_way(target)
            endpoint = self._endpoint(target.origin, self._login_for(target, headers))
        except Exception:  # whatever TLS settings raise too
            return fail()
        request = FTPRequest(method, target.url.encode("latin-1"), headers, target.path if target.is_file else b"")
        session = self.pool.getConnection(endpoint.key, endpoint)  # type: ignore[arg-type]  # it needs connect only
        return session.addCallback(lambda session: session.request(request))

    def _endpoint(self, origin: Origin, login: Login) -> _Endpoint:
        endpoint = self._endpoints.get((origin, login))
        if endpoint is None:
            if len(self._endpoints) >= _MANY:
                self._endpoints.clear()
            endpoint = self._endpoints[origin, login] = _Endpoint(self, origin, login)
        return endpoint

    def _check_way(self, target: Target) -> None:
        # What is reached through a proxy over HTTPS is not to be reached without one.
        route = None if self._proxies is None else self._proxies.route("https", *target.origin[1:])
        if route is not None:
            raise SettingsError("proxy", route.proxy, f"none for {target.origin[1]} (no_proxy): FTP knows no proxies")

    def _login_for(self, target: Target, headers: Headers) -> Login:
        """Return who we are there: what the URL says, or the request, or the Remote."""
        user, password = target.userinfo or _basic(headers) or (None, None)
        if user is None and (not self._origins or target.origin in self._origins):
            user, password = self._login
        if user is None:
            return Login()
        login = Login(user.encode(), (password or "").encode())
        if any(each in login.user + login.password for each in b"\r\n\0"):
            raise SettingsError("username", "***", "like the password, without line breaks and zero bytes")
        return login


def _basic(headers: Headers) -> tuple[str, str] | None:
    """Return user name and password of basic authentication, the form in which they go with a request."""
    scheme, _, given = headers.getRawHeaders(b"Authorization", [b""])[0].partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, colon, password = b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None
