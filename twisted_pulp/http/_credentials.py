"""Whose user name and password go where, and the agents that give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.web.iweb import IAgent

from twisted_pulp.http._authorization import basic
from twisted_pulp.settings import Remote
from twisted_pulp.urls import Origin

__all__ = ["Credentials", "with_credentials"]


class Credentials:
    """
    What a Remote says to those who ask who it is.

    :param remote: whose `secret_origins` get it; where there are none, every origin that is asked does.
    :raises SettingsError: when it wants a .netrc file that cannot be used.
    """

    def __init__(self, remote: Remote) -> None:
        self._origins = remote.secret_origins
        self.fixed: str | None = None
        self._machines: Mapping[str, tuple[str, str]] = {}
        if remote.token is not None:
            self.fixed = f"Bearer {remote.token}"
        elif remote.username is not None:
            self.fixed = basic(remote.username, remote.password)
        elif remote.netrc:
            from twisted_pulp.http._netrc import read_netrc

            self._machines = read_netrc()
        #: Whether it depends on the host.
        self.differs = bool(self._machines)

    def of(self, origin: Origin) -> str | None:
        """Return the value of Authorization that *origin* may see, or None."""
        if self._origins and origin not in self._origins:
            return None
        pair = self._machines.get(origin[1])
        return self.fixed if pair is None else basic(*pair)


def with_credentials(
    agent: IAgent, elsewhere: IAgent, remote: Remote, credentials: Credentials, clock: Callable[[], float]
) -> IAgent:
    """
    Return *agent* with all that *remote* wants in the way of cookies, digests and tokens; often that is nothing.

    :param elsewhere: makes the requests to which nothing of this belongs.
    :param clock: seconds that never jump.
    """
    if remote.cookies:
        from twisted_pulp.http._cookies import CookieAgent

        agent = CookieAgent(agent)
    if remote.auth == "digest":
        from twisted_pulp.http._digest_auth import DigestAgent

        agent = DigestAgent(agent)
    if remote.username is not None or remote.netrc or remote.auth == "token":
        from twisted_pulp.http._token_agent import TokenAgent

        agent = TokenAgent(agent, elsewhere, remote, credentials, clock)
    return agent
