"""Which of many files is the newest that runs here."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Self

from attrs import frozen
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, sys_tags
from packaging.utils import BuildTag
from packaging.version import Version

from .files import IndexFile


@frozen
class Platform:
    """
    What files must run on.

    :ivar python: version of Python.
    :ivar ranks: tags of wheels that run -> how well, 0 is best.
    """

    python: str
    ranks: Mapping[Tag, int]

    @classmethod
    def here(cls) -> Self:
        """Return that of the Python that runs this."""
        return cls("{}.{}.{}".format(*sys.version_info[:3]), {tag: rank for rank, tag in enumerate(sys_tags())})

    def runs(self, file: IndexFile) -> bool:
        """Tell whether *file* can be installed; a source distribution is taken at its word."""
        if file.tags is not None and self.ranks.keys().isdisjoint(file.tags):
            return False
        if file.requires_python is None:
            return True
        try:
            return SpecifierSet(file.requires_python).contains(self.python, prereleases=True)
        except InvalidSpecifier:
            # As pip does: what cannot be understood forbids nothing.
            return True

    def rank(self, file: IndexFile) -> tuple[Version, bool, int, BuildTag, bool]:
        """Return what is the greater, the better *file* is; it must run."""
        wheel = file.tags is not None
        tag = min((self.ranks[tag] for tag in file.tags or () if tag in self.ranks), default=0)
        return file.version, wheel, -tag, file.build, bool(file.digests)


def newest(files: Iterable[IndexFile], platform: Platform) -> list[IndexFile]:
    """
    Choose the newest of *files*.

    Files that were taken back do not count, and prereleases only when there is nothing else. Of one version, wheels are
    better than source distributions, and the more they are made for this platform, the better.

    :returns: the best one, then others that are the same file elsewhere, as a digest proves; empty when none runs.
    """
    usable = [file for file in files if not file.yanked and platform.runs(file)]
    stable = [file for file in usable if not file.version.is_prerelease]
    best = max(stable or usable, key=platform.rank, default=None)
    if best is None:
        return []
    return [best, *(file for file in usable if file is not best and file.digests and _same(file, best))]


def _same(file: IndexFile, other: IndexFile) -> bool:
    return (file.name, file.digests) == (other.name, other.digests)
