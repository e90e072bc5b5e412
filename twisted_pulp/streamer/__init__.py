"""Serve artifacts to clients over HTTP."""

from twisted_pulp.streamer._site import ContentSite

__all__ = ["ContentSite"]
