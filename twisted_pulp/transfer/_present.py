"""What is at a file's place already: the file, a part of it, or what is known about it."""

from __future__ import annotations

import os

from twisted_pulp.digests import digests_of_file
from twisted_pulp.download import Download
from twisted_pulp.errors import DigestMismatch, SizeMismatch
from twisted_pulp.threads import WriterThreads, outlasting
from twisted_pulp.transfer._file import SMALL
from twisted_pulp.transfer._journal import Journal, bare
from twisted_pulp.transfer._place import Place
from twisted_pulp.transfer._proof import algorithms_of, prove

__all__ = ["file_digests", "present_digests", "remembered", "surely_new", "usable"]


def surely_new(place: Place, download: Download) -> bool:
    """Return whether neither the file nor a part of it can be there: the quick answer, for most files."""
    # Small ones never have a journal.
    return download.size is not None and download.size <= SMALL and place.free


async def present_digests(
    place: Place, download: Download, threads: WriterThreads
) -> tuple[dict[str, str], int] | None:
    """
    Return digests and size of the file at *place*, if they are the expected ones. An expected size alone is not enough.
    """
    facts = place.stat(place.name)
    if facts is None or not download.digests or (download.size is not None and facts.st_size != download.size):
        return None
    if facts.st_size <= SMALL:
        found = file_digests(place, download)
    else:
        found = await outlasting(threads.lane()(file_digests, place, download))
    if found is None:
        return None
    values, size = found
    try:
        prove(download, download.url, size, values, False, True)
    except (DigestMismatch, SizeMismatch):
        return None
    return found


def file_digests(place: Place, download: Download) -> tuple[dict[str, str], int] | None:
    """Return digests and size of the file at *place*; None when it cannot be read. Large files are for a thread."""
    try:
        file = place.open(place.name, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:  # a link, a directory, not ours to read: it will be replaced, or that fails
        return None
    try:
        hashes, size = digests_of_file(file, algorithms_of(download))
    except OSError:
        return None
    finally:
        os.close(file)
    return hashes.values(), size


def remembered(place: Place) -> Journal | None:
    """Return the journal of the finished file at *place*, if it is still the file of that journal."""
    facts = place.stat(place.name)
    journal = None if facts is None else Journal.read(place)
    if facts is None or journal is None or not journal.modified:
        return None
    return journal if (journal.modified, journal.done) == (facts.st_mtime_ns, facts.st_size) else None


def usable(journal: Journal, download: Download) -> bool:
    """Return whether the partial file of *journal* is of what *download* wants."""
    if download.size is not None and (journal.end > download.size or journal.length not in (None, download.size)):
        return False
    same = any(bare(source.url) == journal.url for source in download.sources)
    return bool(download.digests) or (same and journal.validator is not None)
