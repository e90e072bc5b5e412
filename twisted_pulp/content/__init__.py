"""Content types, and what is the same for all of them: a sync, which is skipped when nothing has changed."""

from twisted_pulp.content._export import Exported, export
from twisted_pulp.content._interface import IContentType
from twisted_pulp.content._metadata import Metadata
from twisted_pulp.content._registry import content_type, content_types
from twisted_pulp.content._result import SyncResult
from twisted_pulp.content._synchronize import synchronize

__all__ = [
    "Exported",
    "IContentType",
    "Metadata",
    "SyncResult",
    "content_type",
    "content_types",
    "export",
    "synchronize",
]
