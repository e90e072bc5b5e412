"""PULP_MANIFEST: a text file that names files by relative path, sha256 and size, one in each line."""

from twisted_pulp.manifest._line import Entry, entry_of, line_of, parsed
from twisted_pulp.manifest._reader import ManifestReader, Suspect, find_path
from twisted_pulp.manifest._urls import directory_of, url_of

__all__ = [
    "Entry",
    "ManifestReader",
    "Suspect",
    "directory_of",
    "entry_of",
    "find_path",
    "line_of",
    "parsed",
    "url_of",
]
