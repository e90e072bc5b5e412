"""Files as a PULP_MANIFEST names them."""

from twisted_pulp.content.file._stage import ManifestStage, unit_of
from twisted_pulp.content.file._type import FileType

__all__ = ["FILE", "FileType", "ManifestStage", "unit_of"]

#: The content type "file".
FILE = FileType()
