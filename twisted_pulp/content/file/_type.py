"""The content type of files that a PULP_MANIFEST names."""

from __future__ import annotations

import os
from collections.abc import Iterable

from zope.interface import implementer

from twisted_pulp.catalog.versions import PublishedFile
from twisted_pulp.content._interface import IContentType
from twisted_pulp.content.file._stage import ManifestStage
from twisted_pulp.errors import PathError
from twisted_pulp.manifest import Entry, line_of

__all__ = ["MANIFEST", "FileType"]

MANIFEST = "PULP_MANIFEST"


@implementer(IContentType)
class FileType:
    """Files, each known by its relative path and sha256; in a repository each path is there once."""

    type = "file"

    def first_stage(self, force: bool = False) -> ManifestStage:
        """Return the stage that reads the manifest."""
        return ManifestStage(force)

    def metadata(self, files: Iterable[PublishedFile], directory: str) -> None:
        """Write the PULP_MANIFEST that names *files*."""
        with open(os.path.join(directory, MANIFEST), "wb") as manifest:
            for each in files:
                if each.path == MANIFEST:
                    raise PathError(detail=f"a file is called {MANIFEST}, as the manifest itself is")
                assert each.sha256 is not None
                assert each.size is not None
                try:
                    manifest.write(line_of(Entry(each.path, each.sha256, each.size)))
                except ValueError as error:
                    raise PathError(detail=f"{each.path!r} cannot be named in a {MANIFEST}: {error}") from error
