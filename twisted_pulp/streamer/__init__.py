"""Serve artifacts to clients over HTTP."""

from twisted_pulp.streamer._resource import ContentResource
from twisted_pulp.streamer._site import ContentSite
from twisted_pulp.streamer._streamer import Streamer

__all__ = ["ContentResource", "ContentSite", "Streamer"]
