"""The API of the daemon, over HTTP."""

from twisted_pulp.api._api import API
from twisted_pulp.api._site import APISite

__all__ = ["API", "APISite"]
