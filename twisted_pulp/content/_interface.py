"""What a content type is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zope.interface import Attribute, Interface

from twisted_pulp.catalog.versions import PublishedFile

__all__ = ["IContentType"]


class IContentType(Interface):
    """A kind of content: how its upstreams say what they have, and what a copy of them needs to be served."""

    type: str = Attribute("The name, in lower case, as `pulpdownloader sync TYPE` and `Content.type` have it.")

    def first_stage(force: bool) -> Any:
        """
        Return the `Stage` that reads the upstream at `Stage.sync.remote.url`, and puts a `DeclarativeContent` for each
        unit.

        :param force: whether everything is looked at although nothing seems to have changed. A stage that finds nothing
            to do calls `Stage.sync.skip`; one that keeps something in `Stage.sync.synced` finds it there next time.
        """

    def metadata(files: Iterable[PublishedFile], directory: str) -> None:
        """
        Write what clients of this type need besides the files themselves; called in a thread, and again if need be.

        :param files: a `PublishedFile` for each file that is there, in order of the bytes of their paths, once.
        :param directory: to write it in.
        :raises PathError: when a file cannot be named.
        """
