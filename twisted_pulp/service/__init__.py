"""The services of `twistd pulpdownloader`: a daemon, or a list of files that is downloaded."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from twisted_pulp.service._options import Options, makeService

if TYPE_CHECKING:
    from twisted_pulp.service._config import Config, ConfigError
    from twisted_pulp.service._daemon import DaemonService
    from twisted_pulp.service._downloader import DownloaderService
    from twisted_pulp.service._foreground import run_daemon

__all__ = [
    "Config",
    "ConfigError",
    "DaemonService",
    "DownloaderService",
    "Options",
    "makeService",
    "run_daemon",
]

# Who downloads a list needs no daemon, and the other way round.
_LATE = {
    "Config": "_config",
    "ConfigError": "_config",
    "DaemonService": "_daemon",
    "DownloaderService": "_downloader",
    "run_daemon": "_foreground",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    return value
