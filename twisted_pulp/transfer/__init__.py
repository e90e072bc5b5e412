"""One download: its tries, its bytes, its proof."""

from twisted_pulp.transfer._file import FileTarget
from twisted_pulp.transfer._health import Health
from twisted_pulp.transfer._hooks import Again, Hooks, Validator
from twisted_pulp.transfer._journal import Journal
from twisted_pulp.transfer._place import Place, writer_error
from twisted_pulp.transfer._surroundings import Surroundings
from twisted_pulp.transfer._target import WriterTarget
from twisted_pulp.transfer._threads import WriterThreads, outlasting
from twisted_pulp.transfer._transfer import Transfer
from twisted_pulp.transfer._tree import Tree
from twisted_pulp.transfer._writers import DigestOnly, Memory, ResponseWriter

__all__ = [
    "Again",
    "DigestOnly",
    "FileTarget",
    "Health",
    "Hooks",
    "Journal",
    "Memory",
    "Place",
    "ResponseWriter",
    "Surroundings",
    "Transfer",
    "Tree",
    "Validator",
    "WriterTarget",
    "WriterThreads",
    "outlasting",
    "writer_error",
]
