"""What a content type is."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

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

    def metadata(files: Any, directory: str) -> Deferred[None]:
        """
        Write below *directory*, where all files are, what clients of this type need besides them.

        :param files: gives a `PublishedFile` for each file, in order of their paths, as often as it is iterated over.
        """
