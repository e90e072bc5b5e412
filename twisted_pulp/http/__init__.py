"""The wire: HTTP/1.1 connections, their pool, and agents that each add one thing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from twisted_pulp.http._agent import HTTPAgent
from twisted_pulp.http._authorization import basic
from twisted_pulp.http._caps import Cap
from twisted_pulp.http._connection import HTTPConnection
from twisted_pulp.http._credentials import Credentials, with_credentials
from twisted_pulp.http._discard import discard, refuse
from twisted_pulp.http._endpoints import Endpoints
from twisted_pulp.http._errors import ErrorAgent, translated
from twisted_pulp.http._fields import fields_of
from twisted_pulp.http._guard import Guard
from twisted_pulp.http._headers import HeaderAgent
from twisted_pulp.http._intake import Intake
from twisted_pulp.http._paces import Pace, Paces
from twisted_pulp.http._pool import ConnectionPool
from twisted_pulp.http._rate_agent import RateAgent
from twisted_pulp.http._rates import HostRates, Rate, Rates
from twisted_pulp.http._redirect import RedirectAgent
from twisted_pulp.http._resolver import Resolver
from twisted_pulp.http._status import StatusAgent
from twisted_pulp.http._watch import Watch

if TYPE_CHECKING:
    from twisted_pulp.http._declared import declared_digests
    from twisted_pulp.http._decode import DecodeAgent
    from twisted_pulp.http._limits import LimitAgent

__all__ = [
    "Cap",
    "ConnectionPool",
    "Credentials",
    "DecodeAgent",
    "Endpoints",
    "ErrorAgent",
    "Guard",
    "HTTPAgent",
    "HTTPConnection",
    "HeaderAgent",
    "HostRates",
    "Intake",
    "LimitAgent",
    "Pace",
    "Paces",
    "Rate",
    "RateAgent",
    "Rates",
    "RedirectAgent",
    "Resolver",
    "StatusAgent",
    "Watch",
    "basic",
    "declared_digests",
    "discard",
    "fields_of",
    "refuse",
    "translated",
    "with_credentials",
]

# Few downloads need these.
_LATE = {"DecodeAgent": "_decode", "LimitAgent": "_limits", "declared_digests": "_declared"}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    return value
