"""One download: its tries, its bytes, its proof."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from twisted_pulp.threads import WriterThreads, outlasting
from twisted_pulp.transfer._file import FileTarget
from twisted_pulp.transfer._health import Health
from twisted_pulp.transfer._hooks import Again, Hooks, Validator
from twisted_pulp.transfer._journal import Journal
from twisted_pulp.transfer._place import Place, writer_error
from twisted_pulp.transfer._surroundings import Surroundings
from twisted_pulp.transfer._traffic import Traffic
from twisted_pulp.transfer._transfer import Transfer
from twisted_pulp.transfer._tree import Tree

if TYPE_CHECKING:
    from twisted_pulp.transfer._mirrors import Mirrors
    from twisted_pulp.transfer._target import WriterTarget
    from twisted_pulp.transfer._tee import Tee
    from twisted_pulp.transfer._writers import DigestOnly, Memory, ResponseWriter

__all__ = [
    "Again",
    "DigestOnly",
    "FileTarget",
    "Health",
    "Hooks",
    "Journal",
    "Memory",
    "Mirrors",
    "Place",
    "ResponseWriter",
    "Surroundings",
    "Tee",
    "Traffic",
    "Transfer",
    "Tree",
    "Validator",
    "WriterTarget",
    "WriterThreads",
    "outlasting",
    "writer_error",
]

# Few programs need them; to import them takes time.
_LATE = {
    "DigestOnly": "_writers",
    "Memory": "_writers",
    "Mirrors": "_mirrors",
    "ResponseWriter": "_writers",
    "Tee": "_tee",
    "WriterTarget": "_target",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    return value
