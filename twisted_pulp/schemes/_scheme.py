"""Which agent a URL's scheme has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.errors import SettingsError, shown

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

__all__ = ["AgentFactory", "LateAgent", "SchemeAgent", "third_party"]

#: Called with the reactor and the Remote; returns the agent of a scheme for that Remote.
AgentFactory = Callable[[Any, Any], IAgent]

_GROUP = "twisted_pulp.schemes"


@implementer(IAgent)
class SchemeAgent:
    """
    Let the agent of the URL's scheme make the request.

    :param agents: scheme in lower case -> its agent; may make them when they are looked up.
    """

    def __init__(self, agents: Mapping[bytes, IAgent]) -> None:
        self._agents = agents

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Make a request; fails with `SettingsError` when no agent has the scheme."""
        try:
            agent = self._agents[uri.partition(b":")[0].lower()]
        except KeyError:
            known = ", ".join(sorted(scheme.decode("latin-1") for scheme in self._agents))
            return fail(SettingsError("url", shown(uri.decode("latin-1")), f"a URL of a scheme that is known: {known}"))
        except Exception:  # whatever other people's factories raise
            return fail()
        return agent.request(method, uri, headers, bodyProducer)

    def __repr__(self) -> str:
        return f"<SchemeAgent {sorted(self._agents)}>"


@implementer(IAgent)
class LateAgent:
    """
    An agent that is made, and perhaps imported, when it is first asked.

    :param make: returns it.
    """

    def __init__(self, make: Callable[[], IAgent]) -> None:
        self._make, self._made = make, None  # type: Callable[[], IAgent], IAgent | None

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Make a request."""
        if self._made is None:
            self._made = self._make()
        return self._made.request(method, uri, headers, bodyProducer)


def third_party() -> Mapping[str, AgentFactory]:
    """
    Return the schemes that other projects have registered as entry points of the group `twisted_pulp.schemes`.

    An entry point is called after the scheme, in lower case. It is imported when its scheme is looked up, no sooner.
    To look up one that cannot be imported, is no callable, or is registered twice, raises `SettingsError`.

    :returns: scheme -> a factory, which is called with the reactor and the Remote and returns an `IAgent`.
    """
    from importlib.metadata import entry_points  # slow, and seldom wanted

    return _Registered(entry_points(group=_GROUP))


class _Registered(Mapping[str, AgentFactory]):
    def __init__(self, points: EntryPoints) -> None:
        self._points = points

    def __getitem__(self, scheme: str) -> AgentFactory:
        points = {point.value: point for point in self._points if point.name == scheme}
        if not points:
            raise KeyError(scheme)
        if len(points) > 1:
            raise SettingsError(scheme, ", ".join(sorted(points)), f"registered once in {_GROUP}")
        ((value, point),) = points.items()
        try:
            factory = point.load()
        except Exception as error:  # whatever importing other people's code raises
            raise SettingsError(scheme, value, f"the name of something that can be imported ({error})") from error
        if not callable(factory):
            raise SettingsError(scheme, value, "the name of something that can be called")
        return factory  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._points.names))

    def __len__(self) -> int:
        return len(self._points.names)

    def __contains__(self, scheme: object) -> bool:
        return scheme in self._points.names
