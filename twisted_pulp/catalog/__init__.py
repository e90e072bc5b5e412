"""What is known: artifacts, content, repositories and their versions, remotes, runs."""

from twisted_pulp.catalog._catalog import Catalog
from twisted_pulp.catalog._key import Key
from twisted_pulp.catalog._lock import Lock

__all__ = ["Catalog", "Key", "Lock"]
