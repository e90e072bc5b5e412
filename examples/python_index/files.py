"""One file that an index offers."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import Factory, frozen
from packaging.tags import Tag
from packaging.utils import (
    BuildTag,
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from twisted_pulp import Remote

# md5 and sha1 prove nothing, and names that are not known here cannot be checked.
_PROOFS = ("sha256", "sha512", "sha384", "sha224")


@frozen(kw_only=True)
class IndexFile:
    """
    A wheel or a source distribution.

    :ivar project: its name, normalized.
    :ivar version: of the project.
    :ivar name: of the file.
    :ivar url: where it is.
    :ivar remote: how that is reached.
    :ivar tags: what a wheel runs on; None for a source distribution.
    :ivar build: of a wheel; decides between two of one version.
    :ivar digests: the best that the index has; empty when it has none that proves anything.
    :ivar size: in bytes, or None.
    :ivar requires_python: which Python it needs, as the index has it, or None.
    :ivar yanked: whether its makers took it back.
    """

    project: str
    version: Version
    name: str
    url: str
    remote: Remote
    tags: frozenset[Tag] | None = None
    build: BuildTag = ()
    digests: Mapping[str, str] = Factory(dict)
    size: int | None = None
    requires_python: str | None = None
    yanked: bool = False

    @classmethod
    def named(
        cls,
        name: str,
        url: str,
        remote: Remote,
        *,
        digests: Mapping[str, str] | None = None,
        size: int | None = None,
        requires_python: str | None = None,
        yanked: bool = False,
    ) -> IndexFile | None:
        """Return the file called *name*, or None when that is neither a wheel's name nor a source distribution's."""
        tags: frozenset[Tag] | None = None
        build: BuildTag = ()
        try:
            if name.endswith(".whl"):
                project, version, build, tags = parse_wheel_filename(name)
            else:
                project, version = parse_sdist_filename(name)
        except (InvalidWheelFilename, InvalidSdistFilename):
            return None
        best = next(({each: digests[each]} for each in _PROOFS if digests and each in digests), {})
        return cls(
            project=project,
            version=version,
            name=name,
            url=url,
            remote=remote,
            tags=tags,
            build=build,
            digests=best,
            size=size,
            requires_python=requires_python,
            yanked=yanked,
        )


def normalized(project: str) -> str:
    """Return *project* as indexes call it."""
    return canonicalize_name(project)
