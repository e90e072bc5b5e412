"""The wire: HTTP/1.1 connections, their pool, and agents that each add one thing."""

from twisted_pulp.http._agent import HTTPAgent
from twisted_pulp.http._caps import Cap
from twisted_pulp.http._connection import HTTPConnection
from twisted_pulp.http._decode import DecodeAgent
from twisted_pulp.http._discard import discard, refuse
from twisted_pulp.http._endpoints import Endpoints
from twisted_pulp.http._errors import ErrorAgent, translated
from twisted_pulp.http._fields import fields_of
from twisted_pulp.http._headers import HeaderAgent, basic
from twisted_pulp.http._limits import LimitAgent
from twisted_pulp.http._pool import ConnectionPool
from twisted_pulp.http._redirect import RedirectAgent
from twisted_pulp.http._resolver import Resolver
from twisted_pulp.http._status import StatusAgent
from twisted_pulp.http._watch import Watch

__all__ = [
    "Cap",
    "ConnectionPool",
    "DecodeAgent",
    "Endpoints",
    "ErrorAgent",
    "HTTPAgent",
    "HTTPConnection",
    "HeaderAgent",
    "LimitAgent",
    "RedirectAgent",
    "Resolver",
    "StatusAgent",
    "Watch",
    "basic",
    "discard",
    "fields_of",
    "refuse",
    "translated",
]
