"""A client of the daemon's API."""

from twisted_pulp.client._client import Client
from twisted_pulp.client._errors import ServerError, ServerUnreachable
from twisted_pulp.client._events import Event
from twisted_pulp.client._jobs import JobEnded, Jobs
from twisted_pulp.client._named import Named
from twisted_pulp.client._repositories import Repositories

__all__ = ["Client", "Event", "JobEnded", "Jobs", "Named", "Repositories", "ServerError", "ServerUnreachable"]
