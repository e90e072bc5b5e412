"""Serve artifacts to clients over HTTP."""

from twisted_pulp.streamer._filters import Filters, IBodyFilter, registered_filters
from twisted_pulp.streamer._linked_page import LinkedPage
from twisted_pulp.streamer._resource import ContentResource
from twisted_pulp.streamer._site import ContentSite
from twisted_pulp.streamer._streamer import Streamer

__all__ = ["ContentResource", "ContentSite", "Filters", "IBodyFilter", "LinkedPage", "Streamer", "registered_filters"]
