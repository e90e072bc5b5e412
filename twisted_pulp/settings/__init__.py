"""Settings: what a user says about an upstream, checked when it is said."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from twisted_pulp.settings._network import Network
from twisted_pulp.settings._proxy import Proxy
from twisted_pulp.settings._remote import Remote
from twisted_pulp.settings._tls import TLS
from twisted_pulp.settings._values import Limits, Retry, Timeouts

if TYPE_CHECKING:
    from twisted_pulp.settings._address_policy import AddressPolicy
    from twisted_pulp.settings._convert import changed
    from twisted_pulp.settings._daemon import Log, Retention, Schedule, ServiceLimits
    from twisted_pulp.settings._document import Mistake, Settings, read_document
    from twisted_pulp.settings._files import read_settings, write_settings

__all__ = [
    "TLS",
    "AddressPolicy",
    "Limits",
    "Log",
    "Mistake",
    "Network",
    "Proxy",
    "Remote",
    "Retention",
    "Retry",
    "Schedule",
    "ServiceLimits",
    "Settings",
    "Timeouts",
    "changed",
    "read_document",
    "read_settings",
    "write_settings",
]

# Text is read and written by few programs, and few judge addresses; to import what does it takes time.
_LATE = {
    "AddressPolicy": "_address_policy",
    "Log": "_daemon",
    "Mistake": "_document",
    "Retention": "_daemon",
    "Schedule": "_daemon",
    "ServiceLimits": "_daemon",
    "Settings": "_document",
    "changed": "_convert",
    "read_document": "_document",
    "read_settings": "_files",
    "write_settings": "_files",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    return value
