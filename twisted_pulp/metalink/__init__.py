"""Metalink: files that say where other files are and what they must be, and headers that do."""

from twisted_pulp.metalink._file import Metalink, looks_like, read_metalink
from twisted_pulp.metalink._headers import duplicates

__all__ = ["Metalink", "duplicates", "looks_like", "read_metalink"]
