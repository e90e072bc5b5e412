"""Choose which of somebody else's tests run, and where ours stands in for theirs."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from twisted.trial.runner import TestLoader, TestSuite
from twisted.trial.unittest import SynchronousTestCase
from twisted.web import _newclient

from twisted_pulp.http import HTTPConnection
from twisted_pulp.http._request import Request
from twisted_pulp.http._response import Response


class Namespace:
    """A module in which some names mean something else."""

    def __init__(self, module: ModuleType, **names: object) -> None:
        self.__dict__.update(names)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


class AnyRequest(ABC):  # noqa: B024  # it has members, not children
    """Twisted's requests and ours, for ``isinstance``."""


class AnyResponse(ABC):  # noqa: B024
    """Twisted's responses and ours, for ``isinstance``."""


AnyRequest.register(_newclient.Request)
AnyRequest.register(Request)
AnyResponse.register(_newclient.Response)
AnyResponse.register(Response)


class Connection(HTTPConnection):
    """Lets tests call what Twisted's protocol calls when it can take another request."""

    @property
    def _quiescentCallback(self) -> Callable[[HTTPConnection], object]:
        return self._quiescent


def borrowed(
    case: type[SynchronousTestCase], module: str, names: Mapping[tuple[Any, str], object]
) -> type[SynchronousTestCase]:
    """Return *case* as a class of *module* before each of whose tests the attributes in *names* are replaced."""

    def replaced(self: SynchronousTestCase) -> Any:
        for (owner, name), value in names.items():
            self.patch(owner, name, value)
        return case.setUp(self)

    return type(case.__name__, (case,), {"setUp": replaced, "__module__": module, "__qualname__": case.__name__})


def chosen(cases: Iterable[type[SynchronousTestCase]], excluded: Mapping[str, str]) -> TestSuite:
    """
    Return a suite of all tests in *cases* but those *excluded* as ``Class.test``, each with its reason.

    :raises ValueError: when a test that is excluded does not exist.
    """
    loader, suite, left = TestLoader(), TestSuite(), set(excluded)
    for case in cases:
        for rest in loader.getTestCaseNames(case):
            name = loader.methodPrefix + rest
            if f"{case.__name__}.{name}" in left:
                left.remove(f"{case.__name__}.{name}")
            else:
                suite.addTest(case(name))
    if left:
        raise ValueError(f"excluded, but not there: {', '.join(sorted(left))}")
    return suite
