"""
Download what package mirrors are made of: verified, resumed, retried, and fast.

Everything public can be imported from here; each name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "AddressPolicy": "settings",
    "Adoption": "interfaces",
    "Again": "transfer",
    "Attempt": "download",
    "Context": "context",
    "DigestOnly": "transfer",
    "DirectoryStorage": "storage",
    "Download": "download",
    "DownloadReport": "download",
    "Group": "download",
    "Head": "interfaces",
    "Hooks": "transfer",
    "IDownloader": "interfaces",
    "IStorage": "interfaces",
    "IWriter": "interfaces",
    "Limits": "settings",
    "Memory": "transfer",
    "MemoryStorage": "storage",
    "Metalink": "metalink",
    "Network": "settings",
    "ObjectStorage": "storage",
    "Pieces": "download",
    "Proxy": "settings",
    "Remote": "settings",
    "ResponseWriter": "transfer",
    "Retry": "settings",
    "Settings": "settings",
    "Source": "download",
    "TLS": "settings",
    "Tee": "transfer",
    "Timeouts": "settings",
    "Totals": "download",
    "Validator": "transfer",
    "read_metalink": "metalink",
    "read_settings": "settings",
    "use_monotonic_clock": "clock",
    "write_settings": "settings",
}

__all__ = sorted(_PUBLIC)  # noqa: PLE0605 -- one table says it all

if TYPE_CHECKING:
    from twisted_pulp.clock import use_monotonic_clock as use_monotonic_clock
    from twisted_pulp.context import Context as Context
    from twisted_pulp.download import Attempt as Attempt
    from twisted_pulp.download import Download as Download
    from twisted_pulp.download import DownloadReport as DownloadReport
    from twisted_pulp.download import Group as Group
    from twisted_pulp.download import Pieces as Pieces
    from twisted_pulp.download import Source as Source
    from twisted_pulp.download import Totals as Totals
    from twisted_pulp.interfaces import Adoption as Adoption
    from twisted_pulp.interfaces import Head as Head
    from twisted_pulp.interfaces import IDownloader as IDownloader
    from twisted_pulp.interfaces import IStorage as IStorage
    from twisted_pulp.interfaces import IWriter as IWriter
    from twisted_pulp.metalink import Metalink as Metalink
    from twisted_pulp.metalink import read_metalink as read_metalink
    from twisted_pulp.settings import TLS as TLS
    from twisted_pulp.settings import AddressPolicy as AddressPolicy
    from twisted_pulp.settings import Limits as Limits
    from twisted_pulp.settings import Network as Network
    from twisted_pulp.settings import Proxy as Proxy
    from twisted_pulp.settings import Remote as Remote
    from twisted_pulp.settings import Retry as Retry
    from twisted_pulp.settings import Settings as Settings
    from twisted_pulp.settings import Timeouts as Timeouts
    from twisted_pulp.settings import read_settings as read_settings
    from twisted_pulp.settings import write_settings as write_settings
    from twisted_pulp.storage import DirectoryStorage as DirectoryStorage
    from twisted_pulp.storage import MemoryStorage as MemoryStorage
    from twisted_pulp.storage import ObjectStorage as ObjectStorage
    from twisted_pulp.transfer import Again as Again
    from twisted_pulp.transfer import DigestOnly as DigestOnly
    from twisted_pulp.transfer import Hooks as Hooks
    from twisted_pulp.transfer import Memory as Memory
    from twisted_pulp.transfer import ResponseWriter as ResponseWriter
    from twisted_pulp.transfer import Tee as Tee
    from twisted_pulp.transfer import Validator as Validator


def __getattr__(name: str) -> Any:
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
