"""The settings in force, without what is secret."""

from __future__ import annotations

import re
from typing import Any

from twisted_pulp.dashboard._visit import Page, Route, Visit
from twisted_pulp.settings import write_settings

__all__ = ["ROUTES"]

_USERINFO = re.compile(r"://[^/@\s\"]*@")


async def _settings(visit: Visit) -> Page:
    running = visit.running
    return Page("settings.html", {"toml": _toml(running.settings), "data": running.data.path})


def _toml(settings: Any) -> str:
    """Return *settings* as a settings file says them; nobody's name and password is left in a URL."""
    return _USERINFO.sub("://***@", write_settings(settings, "toml").decode())


ROUTES = (Route("GET", ("settings",), _settings, "admin"),)
